// Keyrings, which no namespace separates between processes of one user, and the program that the
// kernel asks for keys.
#include <linux/keyctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <fstream>
#include <string>

#include "tests/kernel/escape/attack.h"
#include "tests/kernel/fixtures.h"
#include "tests/kernel/proofs.h"

namespace bulkhead::tests {
namespace {

constexpr const char* kGroup = "keyrings";
constexpr const char* kUserLock = "user namespace; a session keyring of its own";

long keyctl(int operation, auto... arguments) {
    return ::syscall(SYS_keyctl, operation, arguments...);
}

long add_key(const char* name, int keyring) {
    return ::syscall(SYS_add_key, "user", name, "v", 1, keyring);
}

// A key of the host in one of its keyrings; removed with the object.
class HostKey {
public:
    explicit HostKey(int keyring) : keyring_(keyring), key_(add_key("escape", keyring)) {
        EXPECT_GT(key_, 0) << errno;
    }
    HostKey(const HostKey&) = delete;
    HostKey& operator=(const HostKey&) = delete;
    ~HostKey() { keyctl(KEYCTL_UNLINK, key_, keyring_); }
    [[nodiscard]] long id() const { return key_; }

private:
    int keyring_;
    long key_;
};

ESCAPE(KeyRead, kGroup, "a key in the host's user keyring read by number", kUserLock,
       {{BH_HOOK_key_permission, BH_CLASS_KEYS}}) {
    const HostKey key(KEY_SPEC_USER_KEYRING);
    expect_stopped(technique, {.act =
                                   [&] {
                                       std::array<char, 8> value{};
                                       return outcome(keyctl(KEYCTL_READ, key.id(), value.data(),
                                                             value.size()));
                                   },
                               .error = ENOKEY,
                               .object = "user of the host"});
}

ESCAPE(KeyPlanted, kGroup, "a key planted in the host's user keyring", kUserLock,
       {{BH_HOOK_key_permission, BH_CLASS_KEYS}}) {
    const HostKey known(KEY_SPEC_USER_KEYRING);
    const auto find = [] {
        return keyctl(KEYCTL_SEARCH, KEY_SPEC_USER_KEYRING, "user", "planted", 0);
    };
    expect_stopped(technique,
                   {.act = [] { return outcome(add_key("planted", KEY_SPEC_USER_KEYRING)); },
                    .error = ENOKEY,
                    .object = "of the host",
                    .effect = [&] { return find() > 0; },
                    .undo = [&] { keyctl(KEYCTL_UNLINK, find(), KEY_SPEC_USER_KEYRING); }});
}

ESCAPE(SessionKeyring, kGroup, "the inherited session keyring of the host", kUserLock,
       {{BH_HOOK_key_permission, BH_CLASS_KEYS}}) {
    ASSERT_GT(keyctl(KEYCTL_JOIN_SESSION_KEYRING, nullptr), 0);
    const HostKey known(KEY_SPEC_SESSION_KEYRING);
    expect_stopped(technique,
                   {.act =
                        [] {
                            return outcome(keyctl(KEYCTL_SEARCH, KEY_SPEC_SESSION_KEYRING, "user",
                                                  "escape", 0));
                        },
                    .object = "keyring of the host"});
}

PROVES(Escape, SessionToParent, "bh_cred_blank");
ESCAPE(SessionToParent, kGroup, "keyctl(SESSION_TO_PARENT): a keyring for the parent outside",
       "user namespace: the parent's ids differ", {{BH_HOOK_cred_alloc_blank, BH_CLASS_KEYS}}) {
    const auto session = [] { return keyctl(KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 0); };
    keyctl(KEYCTL_JOIN_SESSION_KEYRING, nullptr);
    long kept = session();
    expect_stopped(technique, {.act =
                                   [] {
                                       if (keyctl(KEYCTL_JOIN_SESSION_KEYRING, nullptr) < 0)
                                           return errno;
                                       return outcome(keyctl(KEYCTL_SESSION_TO_PARENT));
                                   },
                               .error = ENOMEM,
                               .object = "18",
                               .effect = [&] { return session() != kept; },
                               .undo =
                                   [&] {
                                       keyctl(KEYCTL_JOIN_SESSION_KEYRING, nullptr);
                                       kept = session();
                                   }});
}

// /usr/sbin with a request-key of its own, which leaves a trace.
class AskedProgram {
public:
    AskedProgram() {
        for (const char* name : {"upper", "work"})
            layers_.make_directory(name);
        const std::string options =
            "lowerdir=/usr/sbin,upperdir=" + layers_.at("upper") + ",workdir=" + layers_.at("work");
        EXPECT_EQ(::mount("overlay", "/usr/sbin", "overlay", 0, options.c_str()), 0) << errno;
        ::unlink("/usr/sbin/request-key");
        std::ofstream("/usr/sbin/request-key") << "#!/bin/sh\n: >" << trace() << "\n";
        EXPECT_EQ(::chmod("/usr/sbin/request-key", 0755), 0);
    }
    AskedProgram(const AskedProgram&) = delete;
    AskedProgram& operator=(const AskedProgram&) = delete;
    ~AskedProgram() { ::umount2("/usr/sbin", MNT_DETACH); }
    [[nodiscard]] bool was_asked() const { return layers_.has("asked"); }
    void forget() const { ::unlink(trace().c_str()); }

private:
    [[nodiscard]] std::string trace() const { return layers_.at("asked"); }
    Tmpfs layers_;
};

ESCAPE(RequestKey, kGroup, "request_key: /sbin/request-key started as root on the host", "none",
       {{BH_HOOK_key_alloc, BH_CLASS_KEYS}}) {
    const AskedProgram program;
    expect_stopped(technique, {.act =
                                   [] {
                                       if (keyctl(KEYCTL_JOIN_SESSION_KEYRING, nullptr) < 0)
                                           return errno;
                                       const int error = outcome(::syscall(SYS_request_key, "user",
                                                                           "escape", "words", 0));
                                       // The program was asked, and gave no key.
                                       return error == ENOKEY ? 0 : error;
                                   },
                               .object = ".request_key_auth",
                               .effect = [&] { return program.was_asked(); },
                               .undo = [&] { program.forget(); }});
}

}  // namespace
}  // namespace bulkhead::tests
