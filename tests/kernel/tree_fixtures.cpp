#include "tests/kernel/tree_fixtures.h"

#include <fcntl.h>

#include "loader/tree_rules.h"

namespace bulkhead::tests {
namespace {

constexpr __u32 kAhead = 100;

}  // namespace

void fill_directory(const Tmpfs& place, const std::string& path) {
    place.make_directory(path);
    place.write(path + "/file");
    place.make_directory(path + "/sub");
    place.write(path + "/sub/deep");
}

Ruled::Ruled(const Tmpfs& place, const std::vector<TreeRule>& rules,
             const std::vector<bh_class>& classes, const std::string& name)
    : BareEnvironment(name) {
    allow(BH_CLASS_FILES);
    first_ = generation_of(*this);
    for (__u32 ahead = 0; ahead < kAhead; ++ahead)
        put_trees(*this, first_ + ahead, device_of(place.path()), rules);
    for (const bh_class class_id : classes)
        refuse(class_id);
}

Ruled::~Ruled() {
    EXPECT_LT(generation_of(*this), first_ + kAhead) << "more changes than rows were put for";
    for (__u32 ahead = 0; ahead < kAhead; ++ahead)
        EXPECT_TRUE(loader::drop_tree(label(), first_ + ahead).has_value());
}

int read_file(const std::string& path) {
    return opened(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
}

int write_file(const std::string& path) {
    return opened(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
}

int append_file(const std::string& path) {
    return opened(::open(path.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC));
}

}  // namespace bulkhead::tests
