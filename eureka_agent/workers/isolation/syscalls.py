"""System calls: their numbers, in the groups that the filter in `seccomp` refuses, and how to call.

Only calls that the filter knows are here. Those above `LAST`, on any architecture, are newer than
this table.
"""

import ctypes
import os
from collections.abc import Mapping

LAST = 469
"""The highest number that was given when the table was made."""

_TABLE = """
[files]
unlink=87/- unlinkat=263/35 rename=82/- renameat=264/38 renameat2=316/276 mkdir=83/- mkdirat=258/34
rmdir=84/- link=86/- linkat=265/37 symlink=88/- symlinkat=266/36 truncate=76/45 mknod=133/-
mknodat=259/33 chmod=90/- fchmod=91/52 fchmodat=268/53 fchmodat2=452/452 chown=92/- fchown=93/55
lchown=94/- fchownat=260/54 utime=132/- utimes=235/- utimensat=280/88 futimesat=261/- setxattr=188/5
lsetxattr=189/6 fsetxattr=190/7 setxattrat=463/463 removexattr=197/14 lremovexattr=198/15
fremovexattr=199/16 removexattrat=466/466 getxattr=191/8 lgetxattr=192/9 fgetxattr=193/10
getxattrat=464/464 listxattr=194/11 llistxattr=195/12 flistxattr=196/13 listxattrat=465/465
file_getattr=468/468 file_setattr=469/469 name_to_handle_at=303/264 open_by_handle_at=304/265
fanotify_init=300/262 fanotify_mark=301/263 inotify_init=253/- inotify_init1=294/26
inotify_add_watch=254/27 mq_open=240/180 mq_unlink=241/181 mq_timedsend=242/182
mq_timedreceive=243/183 mq_notify=244/184 mq_getsetattr=245/185 sync=162/81 syncfs=306/267
[opening]
open=2/- creat=85/- openat=257/56 openat2=437/437 memfd_create=319/279 ioctl=16/29
[programs]
execve=59/221 execveat=322/281 fork=57/- vfork=58/- uselib=134/-
[network]
socket=41/198 socketpair=53/199 connect=42/203 bind=49/200 listen=50/201 accept=43/202
accept4=288/242 shutdown=48/210 getsockname=51/204 getpeername=52/205 getsockopt=55/209
setsockopt=54/208 sendto=44/206 sendmsg=46/211 sendmmsg=307/269 recvfrom=45/207 recvmsg=47/212
recvmmsg=299/243
[processes]
tkill=200/130 rt_sigqueueinfo=129/138 rt_tgsigqueueinfo=297/240 pidfd_open=434/434
pidfd_getfd=438/438 pidfd_send_signal=424/424 ptrace=101/117 process_vm_readv=310/270
process_vm_writev=311/271 process_madvise=440/440 process_mrelease=448/448 kcmp=312/272
setsid=112/157 setpgid=109/154 setpriority=141/140 ioprio_set=251/30 sched_setscheduler=144/119
sched_setparam=142/118 sched_setattr=314/274 get_robust_list=274/100 shmget=29/194 shmat=30/196
shmctl=31/195 shmdt=67/197 msgget=68/186 msgsnd=69/189 msgrcv=70/188 msgctl=71/187 semget=64/190
semop=65/193 semctl=66/191 semtimedop=220/192
[rights]
setuid=105/146 setgid=106/144 setreuid=113/145 setregid=114/143 setresuid=117/147 setresgid=119/149
setfsuid=122/151 setfsgid=123/152 setgroups=116/159 capset=126/91 setrlimit=160/164
personality=135/92 seccomp=317/277 lsm_set_self_attr=460/460
[system]
bpf=321/280 perf_event_open=298/241 userfaultfd=323/282 keyctl=250/219 add_key=248/217
request_key=249/218 memfd_secret=447/447 mount=165/40 umount2=166/39 pivot_root=155/41 chroot=161/51
setns=308/268 unshare=272/97 open_tree=428/428 open_tree_attr=467/467 move_mount=429/429
fsopen=430/430 fsconfig=431/431 fsmount=432/432 fspick=433/433 mount_setattr=442/442
statmount=457/457 listmount=458/458 init_module=175/105 finit_module=313/273 delete_module=176/106
kexec_load=246/104 kexec_file_load=320/294 reboot=169/142 swapon=167/224 swapoff=168/225
settimeofday=164/170 clock_settime=227/112 adjtimex=159/171 clock_adjtime=305/266
sethostname=170/161 setdomainname=171/162 acct=163/89 quotactl=179/60 quotactl_fd=443/443
syslog=103/116 iopl=172/- ioperm=173/- modify_ldt=154/- vhangup=153/58 mbind=237/235
set_mempolicy=238/237 set_mempolicy_home_node=450/450 move_pages=279/239 migrate_pages=256/238
vmsplice=278/75 ustat=136/- sysfs=139/- nfsservctl=180/42 lookup_dcookie=212/18
[absent]
clone3=435/435 io_uring_setup=425/425 io_uring_enter=426/426 io_uring_register=427/427
io_setup=206/0 io_submit=209/2
[conditional]
clone=56/220 fcntl=72/25 kill=62/129 mmap=9/222 prctl=157/167 prlimit64=302/261
sched_setaffinity=203/122 tgkill=234/131
"""
"""Calls by group, with their numbers on x86_64 and aarch64; - where there is no such call."""


def _parse(table: str) -> tuple[dict[str, tuple[str, ...]], dict[str, dict[str, int]]]:
    """Names by group, and numbers by architecture and name."""
    groups: dict[str, tuple[str, ...]] = {}
    numbers: dict[str, dict[str, int]] = {"x86_64": {}, "aarch64": {}}
    for block in table.split("[")[1:]:
        group, _, calls = block.partition("]")
        entries = [entry.split("=") for entry in calls.split()]
        groups[group] = tuple(name for name, _ in entries)
        for name, both in entries:
            for known, number in zip(numbers.values(), both.split("/"), strict=True):
                if number != "-":
                    known[name] = int(number)
    return groups, numbers


_parsed = _parse(_TABLE)
GROUPS: Mapping[str, tuple[str, ...]] = _parsed[0]
"""Calls by purpose. A process that loads nothing more, and drives no device, needs no `opening`
ones. `network` has all of them, as one end of a pair of datagram sockets reaches every other socket
by name. The C library does without `absent` ones if the kernel lacks them, and a filter cannot look
into these. Arguments decide about `conditional` ones."""
NUMBERS = _parsed[1]
"""Numbers by architecture and name; an architecture lacks the calls that it does not have."""


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
        name: its name in errors.
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
