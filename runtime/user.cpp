#include "runtime/user.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <fstream>
#include <optional>

namespace bulkhead::runtime {
namespace {

using Fields = std::vector<std::string>;

Fields split(const std::string& line, char separator) {
    Fields fields;
    std::size_t begin = 0;
    while (true) {
        const std::size_t end = line.find(separator, begin);
        fields.push_back(line.substr(begin, end - begin));
        if (end == std::string::npos)
            return fields;
        begin = end + 1;
    }
}

std::optional<id_t> parse_id(const std::string& text) {
    id_t id = 0;
    const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), id);
    if (error != std::errc{} || rest != text.data() + text.size())
        return std::nullopt;
    return id;
}

// The first line of a colon-separated file whose name or id (third field) is `wanted`.
std::optional<Fields> find_entry(const char* path, const std::string& wanted) {
    std::ifstream file(path);
    std::string line;
    while (std::getline(file, line)) {
        Fields fields = split(line, ':');
        if (fields.size() >= 4 && (fields[0] == wanted || fields[2] == wanted))
            return fields;
    }
    return std::nullopt;
}

std::vector<gid_t> groups_of(const std::string& user) {
    std::vector<gid_t> groups;
    std::ifstream file("/etc/group");
    std::string line;
    while (std::getline(file, line)) {
        const Fields fields = split(line, ':');
        if (fields.size() < 4)
            continue;
        const Fields members = split(fields[3], ',');
        const auto gid = parse_id(fields[2]);
        if (gid && std::find(members.begin(), members.end(), user) != members.end())
            groups.push_back(*gid);
    }
    return groups;
}

Status fill_from_passwd(User& user, const std::string& wanted) {
    if (const auto entry = find_entry("/etc/passwd", wanted); entry && entry->size() >= 6) {
        user.name = (*entry)[0];
        user.uid = parse_id((*entry)[2]).value_or(0);
        user.gid = parse_id((*entry)[3]).value_or(0);
        user.home = (*entry)[5];
        user.groups = groups_of(user.name);
        return {};
    }
    // A number needs no entry.
    const auto uid = parse_id(wanted);
    if (!uid)
        return fail(Error(EINVAL, "no user " + wanted + " in the environment's /etc/passwd"));
    user.uid = *uid;
    user.gid = *uid == 0 ? 0 : static_cast<gid_t>(*uid);
    user.name = wanted;
    user.home = *uid == 0 ? "/root" : "/";
    return {};
}

}  // namespace

Result<User> look_up_user(const std::string& wanted) {
    User user;
    if (wanted.empty())
        return user;
    const std::size_t colon = wanted.find(':');
    BULKHEAD_TRY(fill_from_passwd(user, wanted.substr(0, colon)));
    if (colon == std::string::npos)
        return user;
    const std::string group = wanted.substr(colon + 1);
    if (const auto entry = find_entry("/etc/group", group))
        user.gid = parse_id((*entry)[2]).value_or(0);
    else if (const auto gid = parse_id(group))
        user.gid = *gid;
    else
        return fail(Error(EINVAL, "no group " + group + " in the environment's /etc/group"));
    return user;
}

}  // namespace bulkhead::runtime
