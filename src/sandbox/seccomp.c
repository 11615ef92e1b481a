/*
 * The seccomp filter has two lists. A system call that decoders need is allowed. A system call that
 * no decoder ever makes kills the process. Any call that is in neither list fails with an error and
 * does not kill: valid code makes some calls that it can do without, and different C libraries make
 * different calls.
 */
#include "sandbox/layers.h"

#include "base/fd.h"

#include <errno.h>
#include <string.h>

#ifndef PIXPOOL_SECCOMP

void seccomp_put_up(struct sandbox_state *state, bool may_read)
{
	(void)may_read;
	layer_is_missing(state, SANDBOX_SECCOMP, "not in this build");
}

int seccomp_build(bool may_read, struct seccomp_figures *ret_figures)
{
	(void)may_read;
	*ret_figures = (struct seccomp_figures){0};
	return -ENOSYS;
}

#else

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The errno with which the filter answers a test call. The kernel itself never gives this errno for
 * such a call, so it proves that the filter is active. */
enum { TEST_ANSWER = EUCLEAN };

/* The bits in the flags of mmap() that say whether a mapping is shared or private. */
enum { MAP_KIND = 0x0f };

/* System calls that are allowed with any arguments. None of them takes a path. Of these calls, only
 * dup() and recvmsg() give the process a new descriptor, and recvmsg() receives descriptors only
 * from the main process. */
static const char *const allowed[] = {
	/* calls on open descriptors */
	"read", "readv", "pread64", "write", "writev", "pwrite64", "lseek", "_llseek",
	"close", "dup", "recvmsg", "sendmsg", "poll", "ppoll",
	/* calls for memory */
	"munmap", "brk", "mremap", "madvise",
	/* calls for threads */
	"exit", "exit_group", "futex", "futex_time64", "gettid", "getpid", "rseq",
	"sched_getaffinity", "sched_yield", "set_robust_list", "restart_syscall",
	/* calls that handle signals */
	"pause", "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigaltstack",
	"sigreturn",
	/* calls for clocks, random bytes, resource use and user ids */
	"clock_getres", "clock_gettime", "clock_gettime64", "clock_nanosleep",
	"clock_nanosleep_time64", "gettimeofday", "nanosleep", "time", "getrandom",
	"getrusage", "sysinfo", "getuid", "geteuid", "getgid", "getegid"};

/* System calls that no decoder ever makes. They kill the process, so that an attacker cannot try
 * one call after the other. */
static const char *const deadly[] = {
	/* calls for programs and processes; the rules for execve() and clone() are below */
	"execveat", "fork", "vfork", "ptrace", "process_vm_readv", "process_vm_writev",
	"process_madvise", "pidfd_open", "pidfd_getfd", "pidfd_send_signal",
	"rt_sigqueueinfo", "rt_tgsigqueueinfo", "kcmp", "setns", "unshare",
	/* calls for the network; the rules for socket() are below */
	"socketpair", "socketcall", "connect", "bind", "listen", "accept", "accept4",
	"sendto", "sendmmsg",
	/* calls that control the kernel or the machine */
	"bpf", "perf_event_open", "io_uring_setup", "io_uring_enter", "io_uring_register",
	"userfaultfd", "add_key", "keyctl", "request_key", "init_module", "finit_module",
	"delete_module", "kexec_load", "kexec_file_load", "reboot", "swapon", "swapoff",
	"acct", "settimeofday", "clock_settime", "sethostname", "setdomainname",
	"personality", "modify_ldt", "iopl", "ioperm", "quotactl", "syslog", "vhangup",
	/* calls for file systems */
	"mount", "umount", "umount2", "pivot_root", "chroot", "open_tree", "move_mount",
	"fsopen", "fsmount", "mount_setattr", "open_by_handle_at", "name_to_handle_at",
	"mknod", "mknodat", "link", "linkat", "symlink", "symlinkat", "rename",
	"renameat", "renameat2", "unlinkat", "mkdirat", "truncate",
	/* calls that change the mode, owner, times or attributes of a file, such as the input */
	"chmod", "fchmod", "fchmodat", "fchmodat2", "chown", "fchown", "lchown",
	"fchownat", "utime", "utimes", "futimesat", "utimensat", "setxattr", "fsetxattr",
	"removexattr", "fremovexattr",
	/* calls that change the user, the groups or the capabilities */
	"setuid", "setgid", "setreuid", "setregid", "setresuid", "setresgid", "setfsuid",
	"setfsgid", "setgroups", "capset"};

struct filter {
	scmp_filter_ctx context;
	/* the number of rules, including those for system calls that this machine does not have */
	unsigned n_rules;
	int error; /* the first error, as a negative errno; 0: none so far */
};

static void add(struct filter *filter, uint32_t action, const char *name,
                unsigned n_conditions, const struct scmp_arg_cmp *conditions)
{
	int number = seccomp_syscall_resolve_name(name);

	filter->n_rules++;
	/* A call whose name libseccomp does not know needs no rule: the filter refuses every call
	 * without a rule. */
	if (filter->error || number == __NR_SCMP_ERROR)
		return;
	filter->error = seccomp_rule_add_array(filter->context, action, number,
	                                       n_conditions, conditions);
}

static void add_one(struct filter *filter, uint32_t action, const char *name,
                    struct scmp_arg_cmp condition)
{
	add(filter, action, name, 1, &condition);
}

/* Compare an argument of a call (counted from 0) with a value. Like the macro SCMP_CMP(), but it
 * names every member of the struct. */
static struct scmp_arg_cmp compare(unsigned argument, enum scmp_compare how,
                                   scmp_datum_t value)
{
	return (struct scmp_arg_cmp){.arg = argument, .op = how, .datum_a = value};
}

static struct scmp_arg_cmp masked(unsigned argument, scmp_datum_t mask,
                                  scmp_datum_t value)
{
	return (struct scmp_arg_cmp){.arg = argument,
	                             .op = SCMP_CMP_MASKED_EQ,
	                             .datum_a = mask,
	                             .datum_b = value};
}

/* Allow the process to start threads, but not processes. A filter cannot read the flags of
 * clone3(), which are in memory. So clone3() fails, and the C library uses clone() instead. */
static void add_clone(struct filter *filter)
{
	const uint64_t thread = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND |
	                        CLONE_THREAD;
	const uint64_t never = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS |
	                       CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID |
	                       CLONE_NEWNET | CLONE_PTRACE | CLONE_VFORK | CLONE_PARENT;

	add_one(filter, SCMP_ACT_ALLOW, "clone", masked(0, thread | never, thread));
	add_one(filter, SCMP_ACT_KILL_PROCESS, "clone", masked(0, CLONE_THREAD, 0));
	add(filter, SCMP_ACT_ERRNO(ENOSYS), "clone3", 0, NULL);
}

/* Allow anonymous private memory, which RLIMIT_DATA counts. New memory may be executable, because
 * libvips 8.14 generates code at run time; existing memory cannot become executable. */
static void add_memory(struct filter *filter)
{
	add_one(filter, SCMP_ACT_ALLOW, "mmap",
	        masked(3, MAP_KIND | MAP_ANONYMOUS, MAP_PRIVATE | MAP_ANONYMOUS));
	add_one(filter, SCMP_ACT_ALLOW, "mmap2",
	        masked(3, MAP_KIND | MAP_ANONYMOUS, MAP_PRIVATE | MAP_ANONYMOUS));
	add_one(filter, SCMP_ACT_ALLOW, "mprotect", masked(2, PROT_EXEC, 0));
}

/* Allow the process to send signals to itself, so that a crash still ends it with the signal of the
 * crash. */
static void add_signals(struct filter *filter)
{
	static const char *const names[] = {"kill", "tgkill"};
	scmp_datum_t self = (scmp_datum_t)getpid();

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		add_one(filter, SCMP_ACT_ALLOW, names[i], compare(0, SCMP_CMP_EQ, self));
		add_one(filter, SCMP_ACT_KILL_PROCESS, names[i],
		        compare(0, SCMP_CMP_NE, self));
	}
}

/* Add rules for the system calls that test the filter: execve() of the program NULL, and socket()
 * of no family. No other code makes such a call, because its arguments are invalid. The filter
 * answers with an errno that the kernel would not give. Any other execve() or socket() kills the
 * process. */
static void add_test(struct filter *filter)
{
	add_one(filter, SCMP_ACT_ERRNO(TEST_ANSWER), "execve",
	        compare(0, SCMP_CMP_EQ, 0));
	add_one(filter, SCMP_ACT_KILL_PROCESS, "execve", compare(0, SCMP_CMP_NE, 0));
	add_one(filter, SCMP_ACT_ERRNO(TEST_ANSWER), "socket",
	        compare(0, SCMP_CMP_EQ, AF_UNSPEC));
	add_one(filter, SCMP_ACT_KILL_PROCESS, "socket",
	        compare(0, SCMP_CMP_NE, AF_UNSPEC));
}

/*
 * Allow the calls that are needed to read a font: open it for reading, stat it, map it read-only.
 * Landlock restricts which files can be opened. Of any other file the process can see only the stat
 * and the permissions.
 */
static void add_reading(struct filter *filter)
{
	static const char *const names[] = {"access",     "faccessat", "faccessat2",
	                                    "newfstatat", "fstat",     "fstat64",
	                                    "fstatat64",  "getdents64"};
	static const int commands[] = {F_GETFD, F_SETFD, F_GETFL};
	/* The flags that are allowed when a file is opened for reading. */
	const uint32_t reading = O_CLOEXEC | O_DIRECTORY | O_NONBLOCK | O_NOFOLLOW |
	                         O_NOCTTY | O_LARGEFILE;
	const scmp_datum_t other = (uint32_t)~reading;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		add(filter, SCMP_ACT_ALLOW, names[i], 0, NULL);
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		add_one(filter, SCMP_ACT_ALLOW, "fcntl",
		        compare(1, SCMP_CMP_EQ, (scmp_datum_t)commands[i]));
	add_one(filter, SCMP_ACT_ALLOW, "open", masked(1, other, O_RDONLY));
	add_one(filter, SCMP_ACT_ALLOW, "openat", masked(2, other, O_RDONLY));

	const struct scmp_arg_cmp as_it_is[] = {
		masked(2, PROT_WRITE | PROT_EXEC, 0),
		masked(3, MAP_KIND | MAP_ANONYMOUS, MAP_PRIVATE),
	};

	add(filter, SCMP_ACT_ALLOW, "mmap", 2, as_it_is);
	add(filter, SCMP_ACT_ALLOW, "mmap2", 2, as_it_is);
}

static void add_all(struct filter *filter)
{
	for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++)
		add(filter, SCMP_ACT_ALLOW, allowed[i], 0, NULL);
	for (size_t i = 0; i < sizeof(deadly) / sizeof(deadly[0]); i++)
		add(filter, SCMP_ACT_KILL_PROCESS, deadly[i], 0, NULL);
	add_clone(filter);
	add_memory(filter);
	add_signals(filter);
	add_test(filter);
	/* If a task returns a descriptor, for example of its input, the library duplicates it with
	 * F_DUPFD_CLOEXEC. */
	add_one(filter, SCMP_ACT_ALLOW, "fcntl",
	        compare(1, SCMP_CMP_EQ, F_DUPFD_CLOEXEC));
	add_one(filter, SCMP_ACT_ALLOW, "prctl", compare(0, SCMP_CMP_EQ, PR_SET_NAME));
	add_one(filter, SCMP_ACT_ALLOW, "prctl", compare(0, SCMP_CMP_EQ, PR_GET_NAME));
}

/* Build the rules and write them as a program for the kernel. The program must have fewer than n
 * instructions. Returns 0 or a negative errno. */
static int compile(bool may_read, struct sock_filter *program, size_t n,
                   struct seccomp_figures *ret_figures)
{
	/* The API level is set here, so that libseccomp does not ask the kernel which features
	 * exist. If the kernel lacks a feature that the filter needs, load() fails. */
	enum { WITH_KILL_PROCESS = 3 };
	struct filter filter = {.error = seccomp_api_set(WITH_KILL_PROCESS)};
	int memfd = memfd_create("filter", MFD_CLOEXEC);
	ssize_t n_bytes = 0;

	filter.context = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	if (!filter.context || memfd < 0)
		filter.error = -ENOMEM;
	/* Kill the process if it makes a call of another processor architecture, in which the
	 * numbers of system calls have other meanings. */
	if (!filter.error)
		filter.error = seccomp_attr_set(filter.context, SCMP_FLTATR_ACT_BADARCH,
		                                SCMP_ACT_KILL_PROCESS);
	add_all(&filter);
	if (may_read)
		add_reading(&filter);
	if (!filter.error)
		filter.error = seccomp_export_bpf(filter.context, memfd);
	if (!filter.error)
		n_bytes = fd_pread_full(memfd, program, n * sizeof(*program), 0);
	if (!filter.error && (n_bytes <= 0 || (size_t)n_bytes == n * sizeof(*program)))
		filter.error = -E2BIG;
	*ret_figures = (struct seccomp_figures){
		.n_rules = filter.n_rules,
		.n_instructions = filter.error ? 0 : (size_t)n_bytes / sizeof(*program),
	};
	seccomp_release(filter.context);
	fd_close(&memfd);
	return filter.error;
}

static struct sock_filter program[BPF_MAXINSNS];

int seccomp_build(bool may_read, struct seccomp_figures *ret_figures)
{
	return compile(may_read, program, BPF_MAXINSNS, ret_figures);
}

/* Build the filter and load it. Returns 0 or a negative errno. A container that this process runs
 * in may refuse to load it. */
static int load(bool may_read)
{
	const uint32_t action = SECCOMP_RET_KILL_PROCESS;
	struct seccomp_figures figures;
	int error;

	if (syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) != 0)
		return -errno;
	error = seccomp_build(may_read, &figures);
	if (error)
		return error;

	const struct sock_fprog filter = {(unsigned short)figures.n_instructions,
	                                  program};

	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter) == 0 ? 0
	                                                                      : -errno;
}

static bool is_answered(long got, int with)
{
	return got == -1 && errno == with;
}

/* Whether the filter is effective. The last test opens "/" for writing, which the filter always
 * refuses. */
static bool holds(void)
{
	return is_answered(syscall(SYS_execve, NULL, NULL, NULL), TEST_ANSWER) &&
	       is_answered(syscall(SYS_socket, AF_UNSPEC, 0, 0), TEST_ANSWER) &&
	       is_answered(syscall(SYS_openat, AT_FDCWD, "/", O_WRONLY | O_CLOEXEC, 0),
	                   EPERM);
}

void seccomp_put_up(struct sandbox_state *state, bool may_read)
{
	int error = load(may_read);

	if (error)
		layer_is_missing(state, SANDBOX_SECCOMP, strerrordesc_np(-error));
	else if (!holds())
		layer_is_missing(state, SANDBOX_SECCOMP, "accepted, but without effect");
	else
		layer_holds(state, SANDBOX_SECCOMP);
}

#endif
