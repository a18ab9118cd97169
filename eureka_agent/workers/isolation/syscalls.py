"""Numbers of system calls, for the filter in `seccomp`.

Only calls that the filter knows are here. Those above `LAST`, on any architecture, are newer than
this table.
"""

import ctypes
import os

LAST = 469
"""The highest number that was given when the tables were made."""

_X86_64 = """
accept=43 accept4=288 acct=163 add_key=248 adjtimex=159 bind=49 bpf=321 capset=126 chmod=90
chown=92 chroot=161 clock_adjtime=305 clock_settime=227 clone=56 clone3=435 connect=42 creat=85
delete_module=176 execve=59 execveat=322 fanotify_init=300 fanotify_mark=301 fchmod=91
fchmodat=268 fchmodat2=452 fchown=93 fchownat=260 fcntl=72 fgetxattr=193 file_getattr=468
file_setattr=469 finit_module=313 flistxattr=196 fork=57 fremovexattr=199 fsconfig=431
fsetxattr=190 fsmount=432 fsopen=430 fspick=433 futimesat=261 get_robust_list=274
getpeername=52 getsockname=51 getsockopt=55 getxattr=191 getxattrat=464 init_module=175
inotify_add_watch=254 inotify_init=253 inotify_init1=294 io_setup=206 io_submit=209
io_uring_enter=426 io_uring_register=427 io_uring_setup=425 ioctl=16 ioperm=173 iopl=172
ioprio_set=251 kcmp=312 kexec_file_load=320 kexec_load=246 keyctl=250 kill=62 lchown=94
lgetxattr=192 link=86 linkat=265 listen=50 listmount=458 listxattr=194 listxattrat=465
llistxattr=195 lookup_dcookie=212 lremovexattr=198 lsetxattr=189 lsm_set_self_attr=460
mbind=237 memfd_create=319 memfd_secret=447 migrate_pages=256 mkdir=83 mkdirat=258 mknod=133
mknodat=259 mmap=9 modify_ldt=154 mount=165 mount_setattr=442 move_mount=429 move_pages=279
mq_getsetattr=245 mq_notify=244 mq_open=240 mq_timedreceive=243 mq_timedsend=242 mq_unlink=241
msgctl=71 msgget=68 msgrcv=70 msgsnd=69 name_to_handle_at=303 nfsservctl=180 open=2
open_by_handle_at=304 open_tree=428 open_tree_attr=467 openat=257 openat2=437
perf_event_open=298 personality=135 pidfd_getfd=438 pidfd_open=434 pidfd_send_signal=424
pivot_root=155 prctl=157 prlimit64=302 process_madvise=440 process_mrelease=448
process_vm_readv=310 process_vm_writev=311 ptrace=101 quotactl=179 quotactl_fd=443 reboot=169
recvfrom=45 recvmmsg=299 recvmsg=47 removexattr=197 removexattrat=466 rename=82 renameat=264
renameat2=316 request_key=249 rmdir=84 rt_sigqueueinfo=129 rt_tgsigqueueinfo=297
sched_setaffinity=203 sched_setattr=314 sched_setparam=142 sched_setscheduler=144 seccomp=317
semctl=66 semget=64 semop=65 semtimedop=220 sendmmsg=307 sendmsg=46 sendto=44 set_mempolicy=238
set_mempolicy_home_node=450 setdomainname=171 setfsgid=123 setfsuid=122 setgid=106
setgroups=116 sethostname=170 setns=308 setpgid=109 setpriority=141 setregid=114 setresgid=119
setresuid=117 setreuid=113 setrlimit=160 setsid=112 setsockopt=54 settimeofday=164 setuid=105
setxattr=188 setxattrat=463 shmat=30 shmctl=31 shmdt=67 shmget=29 shutdown=48 socket=41
socketpair=53 statmount=457 swapoff=168 swapon=167 symlink=88 symlinkat=266 sync=162 syncfs=306
sysfs=139 syslog=103 tgkill=234 tkill=200 truncate=76 umount2=166 unlink=87 unlinkat=263
unshare=272 uselib=134 userfaultfd=323 ustat=136 utime=132 utimensat=280 utimes=235 vfork=58
vhangup=153 vmsplice=278
"""
_AARCH64 = """
accept=202 accept4=242 acct=89 add_key=217 adjtimex=171 bind=200 bpf=280 capset=91 chroot=51
clock_adjtime=266 clock_settime=112 clone=220 clone3=435 connect=203 delete_module=106
execve=221 execveat=281 fanotify_init=262 fanotify_mark=263 fchmod=52 fchmodat=53 fchmodat2=452
fchown=55 fchownat=54 fcntl=25 fgetxattr=10 file_getattr=468 file_setattr=469 finit_module=273
flistxattr=13 fremovexattr=16 fsconfig=431 fsetxattr=7 fsmount=432 fsopen=430 fspick=433
get_robust_list=100 getpeername=205 getsockname=204 getsockopt=209 getxattr=8 getxattrat=464
init_module=105 inotify_add_watch=27 inotify_init1=26 io_setup=0 io_submit=2 io_uring_enter=426
io_uring_register=427 io_uring_setup=425 ioctl=29 ioprio_set=30 kcmp=272 kexec_file_load=294
kexec_load=104 keyctl=219 kill=129 lgetxattr=9 linkat=37 listen=201 listmount=458 listxattr=11
listxattrat=465 llistxattr=12 lookup_dcookie=18 lremovexattr=15 lsetxattr=6
lsm_set_self_attr=460 mbind=235 memfd_create=279 memfd_secret=447 migrate_pages=238 mkdirat=34
mknodat=33 mmap=222 mount=40 mount_setattr=442 move_mount=429 move_pages=239 mq_getsetattr=185
mq_notify=184 mq_open=180 mq_timedreceive=183 mq_timedsend=182 mq_unlink=181 msgctl=187
msgget=186 msgrcv=188 msgsnd=189 name_to_handle_at=264 nfsservctl=42 open_by_handle_at=265
open_tree=428 open_tree_attr=467 openat=56 openat2=437 perf_event_open=241 personality=92
pidfd_getfd=438 pidfd_open=434 pidfd_send_signal=424 pivot_root=41 prctl=167 prlimit64=261
process_madvise=440 process_mrelease=448 process_vm_readv=270 process_vm_writev=271 ptrace=117
quotactl=60 quotactl_fd=443 reboot=142 recvfrom=207 recvmmsg=243 recvmsg=212 removexattr=14
removexattrat=466 renameat=38 renameat2=276 request_key=218 rt_sigqueueinfo=138
rt_tgsigqueueinfo=240 sched_setaffinity=122 sched_setattr=274 sched_setparam=118
sched_setscheduler=119 seccomp=277 semctl=191 semget=190 semop=193 semtimedop=192 sendmmsg=269
sendmsg=211 sendto=206 set_mempolicy=237 set_mempolicy_home_node=450 setdomainname=162
setfsgid=152 setfsuid=151 setgid=144 setgroups=159 sethostname=161 setns=268 setpgid=154
setpriority=140 setregid=143 setresgid=149 setresuid=147 setreuid=145 setrlimit=164 setsid=157
setsockopt=208 settimeofday=170 setuid=146 setxattr=5 setxattrat=463 shmat=196 shmctl=195
shmdt=197 shmget=194 shutdown=210 socket=198 socketpair=199 statmount=457 swapoff=225
swapon=224 symlinkat=36 sync=81 syncfs=267 syslog=116 tgkill=131 tkill=130 truncate=45
umount2=39 unlinkat=35 unshare=97 userfaultfd=282 utimensat=88 vhangup=58 vmsplice=75
"""


def _table(text: str) -> dict[str, int]:
    pairs = (entry.split("=") for entry in text.split())
    return {name: int(number) for name, number in pairs}


NUMBERS = {"x86_64": _table(_X86_64), "aarch64": _table(_AARCH64)}
"""By architecture and name; a call that an architecture does not have is missing there."""


_LIBRARY = ctypes.CDLL(None, use_errno=True)


def prctl(option: int, *arguments: int) -> int:
    """Call `prctl`; arguments that are left out are 0.

    Raises:
        OSError: it failed.
    """
    given = [*arguments, 0, 0, 0, 0][:4]
    return _checked(f"prctl({option})", _LIBRARY.prctl(option, *map(ctypes.c_ulong, given)))


def system_call(name: str, number: int, *arguments: object) -> int:
    """Call the kernel by number.

    Args:
        name: what an error calls it.
        number: its number on this architecture.
        arguments: integers, or what `ctypes` passes as a pointer.

    Raises:
        OSError: it failed.
    """
    given = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    _LIBRARY.syscall.restype = ctypes.c_long
    return _checked(name, _LIBRARY.syscall(ctypes.c_long(number), *given))


def _checked(name: str, result: int) -> int:
    if result == -1:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
    return result
