#include <fcntl.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <array>
#include <cstdio>

#include "bench/operations.h"

namespace bulkhead::bench {
namespace {

using Act = std::function<void()>;

constexpr const char* kFile = "/tmp/file";
constexpr const char* kOther = "/tmp/other";

void make_file() {
    ::close(::open(kFile, O_CREAT | O_RDWR | O_CLOEXEC, 0644));
}

Act open_close() {
    make_file();
    return [] { ::close(::open(kFile, O_RDONLY | O_CLOEXEC)); };
}

Act stat_file() {
    make_file();
    return [] {
        struct stat info {};
        ::stat(kFile, &info);
    };
}

Act create_unlink() {
    return [] {
        ::close(::open(kOther, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644));
        ::unlink(kOther);
    };
}

Act mkdir_rmdir() {
    return [] {
        ::mkdir(kOther, 0755);
        ::rmdir(kOther);
    };
}

Act link_unlink() {
    make_file();
    return [] {
        (void)!::link(kFile, kOther);
        ::unlink(kOther);
    };
}

Act symlink_unlink() {
    return [] {
        (void)!::symlink(kFile, kOther);
        ::unlink(kOther);
    };
}

Act rename_file() {
    make_file();
    return [] {
        ::rename(kFile, kOther);
        ::rename(kOther, kFile);
    };
}

Act chmod_file() {
    make_file();
    return [] { ::chmod(kFile, 0644); };
}

Act chown_file() {
    make_file();
    return [] { (void)!::chown(kFile, 0, 0); };
}

Act truncate_file() {
    make_file();
    return [] { (void)!::truncate(kFile, 0); };
}

Act set_remove_xattr() {
    make_file();
    return [] {
        ::setxattr(kFile, "user.bench", "1", 1, 0);
        ::removexattr(kFile, "user.bench");
    };
}

Act get_xattr() {
    make_file();
    return [] {
        char value = 0;
        ::getxattr(kFile, "user.bench", &value, 1);
    };
}

Act list_xattr() {
    make_file();
    return [] { ::listxattr(kFile, nullptr, 0); };
}

Act read_link() {
    constexpr const char* kLink = "/tmp/link";
    (void)!::symlink(kFile, kLink);
    return [] {
        std::array<char, 64> to{};
        (void)!::readlink(kLink, to.data(), to.size());
    };
}

// Again and again the same watch.
Act watch() {
    make_file();
    const int queue = ::inotify_init1(IN_CLOEXEC);
    return [queue] { ::inotify_add_watch(queue, kFile, IN_MODIFY); };
}

Act read_file() {
    make_file();
    const int fd = ::open(kFile, O_RDONLY | O_CLOEXEC);
    return [fd] {
        char byte = 0;
        (void)!::pread(fd, &byte, 1, 0);
    };
}

Act lock_unlock() {
    make_file();
    const int file = ::open(kFile, O_RDWR | O_CLOEXEC);
    return [file] {
        ::flock(file, LOCK_EX);
        ::flock(file, LOCK_UN);
    };
}

Act lock_unlock_record() {
    make_file();
    const int file = ::open(kFile, O_RDWR | O_CLOEXEC);
    return [file] {
        struct flock record {};
        record.l_type = F_WRLCK;
        record.l_len = 10;
        ::fcntl(file, F_SETLK, &record);
        record.l_type = F_UNLCK;
        ::fcntl(file, F_SETLK, &record);
    };
}

Act get_flags() {
    return [] { ::fcntl(STDIN_FILENO, F_GETFL); };
}

int open_null() {
    return ::open("/dev/null", O_RDONLY | O_CLOEXEC);
}

Act close_on_exec() {
    return [fd = open_null()] { ::ioctl(fd, FIOCLEX); };
}

// The same as a 32-bit process asks for it, where there are such processes.
Act close_on_exec_32() {
    return [fd = open_null()] {
#ifdef __x86_64__
        long result = 54;  // ioctl
        asm volatile("int $0x80"
                     : "+a"(result)
                     : "b"(fd), "c"(FIOCLEX), "d"(0)
                     : "memory", "r8", "r9", "r10", "r11");
#else
        ::ioctl(fd, FIOCLEX);
#endif
    };
}

// struct posix_acl_xattr: version 2, then (tag, permissions, id) of owner, group and others.
Act set_acl() {
    make_file();
    return [] {
        static constexpr std::array<unsigned char, 28> kAcl = {
            2,    0, 0, 0,                           //
            0x01, 0, 6, 0, 0xff, 0xff, 0xff, 0xff,   // owner
            0x04, 0, 4, 0, 0xff, 0xff, 0xff, 0xff,   // group
            0x20, 0, 4, 0, 0xff, 0xff, 0xff, 0xff};  // others
        ::setxattr(kFile, "system.posix_acl_access", kAcl.data(), kAcl.size(), 0);
    };
}

Act mmap_munmap() {
    make_file();
    (void)!::truncate(kFile, 4096);
    const int fd = ::open(kFile, O_RDONLY | O_CLOEXEC);
    return [fd] {
        void* const page = ::mmap(nullptr, 4096, PROT_READ, MAP_PRIVATE, fd, 0);
        ::munmap(page, 4096);
    };
}

// A file as code. The hook comes before the kernel sees that there is nothing to map, and nothing
// is made that would be freed later.
Act mmap_code() {
    make_file();
    const int fd = ::open(kFile, O_RDONLY | O_CLOEXEC);
    return [fd] { (void)::mmap(nullptr, 0, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0); };
}

Act protect_code() {
    make_file();
    (void)!::truncate(kFile, 4096);
    const int fd = ::open(kFile, O_RDONLY | O_CLOEXEC);
    void* const page = ::mmap(nullptr, 4096, PROT_READ, MAP_PRIVATE, fd, 0);
    return [page] {
        ::mprotect(page, 4096, PROT_READ | PROT_EXEC);
        ::mprotect(page, 4096, PROT_READ);
    };
}

Act read_write() {
    make_file();
    const int fd = ::open(kFile, O_RDWR | O_CLOEXEC);
    return [fd] {
        std::array<char, 64> bytes{};
        (void)!::pwrite(fd, bytes.data(), bytes.size(), 0);
        (void)!::pread(fd, bytes.data(), bytes.size(), 0);
    };
}

}  // namespace

std::span<const Operation> file_operations() {
    static constexpr std::array kOperations = {
        Operation{"open_close", 100, open_close},
        Operation{"stat", 100, stat_file},
        Operation{"mmap_munmap", 50, mmap_munmap, Frees::kLater},
        Operation{"mmap_code", 50, mmap_code},
        Operation{"protect_code", 50, protect_code},
        Operation{"read_write", 100, read_write},
        Operation{"create_unlink", 30, create_unlink},
        Operation{"mkdir_rmdir", 30, mkdir_rmdir},
        Operation{"link_unlink", 30, link_unlink},
        Operation{"symlink_unlink", 30, symlink_unlink},
        Operation{"rename", 30, rename_file},
        Operation{"chmod", 50, chmod_file},
        Operation{"chown", 50, chown_file},
        Operation{"truncate", 50, truncate_file},
        Operation{"set_remove_xattr", 50, set_remove_xattr},
        Operation{"set_acl", 50, set_acl},
        Operation{"get_xattr", 50, get_xattr},
        Operation{"list_xattr", 50, list_xattr},
        Operation{"read_link", 50, read_link},
        Operation{"watch", 50, watch},
        Operation{"read_file", 100, read_file},
        Operation{"lock_unlock", 50, lock_unlock},
        Operation{"lock_unlock_record", 50, lock_unlock_record},
        Operation{"get_flags", 100, get_flags},
        Operation{"close_on_exec", 100, close_on_exec},
        Operation{"close_on_exec_32", 100, close_on_exec_32},
    };
    return kOperations;
}

}  // namespace bulkhead::bench
