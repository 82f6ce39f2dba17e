// glibc declares these for C sources that ask for its extensions; Swift's view of it does not.
#include <sched.h>
#include <spawn.h>

#ifndef POSIX_SPAWN_SETSID
#define POSIX_SPAWN_SETSID 0x80
#endif

extern int posix_spawn_file_actions_addclosefrom_np(posix_spawn_file_actions_t *, int);
extern int posix_spawn_file_actions_addchdir_np(posix_spawn_file_actions_t *, const char *);

// How a thread shares a processor: SCHED_OTHER is 0, SCHED_IDLE is 5.
static inline int daybook_set_scheduling_policy(pid_t thread, int policy) {
  struct sched_param none = {0};
  return sched_setscheduler(thread, policy, &none);
}
