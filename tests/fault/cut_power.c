/*
 * Stop a file system as a power cut does: data that has not reached the disk is lost, including the
 * buffers of the journal.
 *
 *     cut_power MOUNT_POINT
 *
 * ext4 and XFS support this request (FS_IOC_SHUTDOWN, here without flushing the log). Only root can
 * use it.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define SHUTDOWN          _IOR('X', 125, uint32_t)
#define WITHOUT_LOG_FLUSH 2

int main(int argc, char **argv)
{
	uint32_t how = WITHOUT_LOG_FLUSH;
	int fd;

	if (argc != 2) {
		fprintf(stderr, "usage: cut_power MOUNT_POINT\n");
		return 2;
	}
	fd = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || ioctl(fd, SHUTDOWN, &how) != 0) {
		perror(argv[1]);
		return 1;
	}
	close(fd);
	return 0;
}
