/* A program that loads each plugin named by an argument, calls it and unloads it, one after the
 * other. */
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

static int run(const char *path)
{
	void *plugin = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	void *symbol = plugin ? dlsym(plugin, "plugin_run") : NULL;
	int (*plugin_run)(void);

	if (!symbol) {
		fprintf(stderr, "%s\n", dlerror());
		return 0;
	}
	memcpy(&plugin_run, &symbol, sizeof(plugin_run));
	return plugin_run() && dlclose(plugin) == 0;
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (!run(argv[i]))
			return 1;
	}
	return argc < 2;
}
