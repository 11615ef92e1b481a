/* Every test here leaves something behind, and nothing else is wrong with it: the program
 * has to fail. */
#include "support/test.h"

#include <fcntl.h>
#include <unistd.h>

TEST(leaves, a_descriptor)
{
	EXPECT(open("/dev/null", O_RDONLY | O_CLOEXEC) >= 0);
}
