// A learned policy, written out.
#include <algorithm>

#include "loader/coverage.h"
#include "loader/refusals.h"
#include "runtime/policy/capabilities.h"
#include "runtime/policy/generalise.h"
#include "runtime/policy/show.h"
#include "runtime/policy/toml_text.h"

namespace bulkhead::policy {
namespace {

constexpr std::string_view kHead =
    "# Learned: this allows what was seen to be done, and refuses all else that the learned\n"
    "# sections know of. A path or prefix stands for all beneath it; the comments say what it was "
    "generalised\n"
    "# from. Read it before you trust it: whatever was done while it learned is taken for right.\n";

std::string describe(const SeenClass& seen) {
    const std::string times = std::to_string(seen.count) + (seen.count == 1 ? " time" : " times");
    return seen.example.empty() ? times : times + ", first: " + seen.example;
}

class Writer {
public:
    Writer(const Observations& seen, const Policy& learning) : seen_(seen), learning_(learning) {}

    std::string write() {
        text_ = kHead;
        write_gaps();
        if (BH_CONTROL_MODE(learning_.rules.control) == BH_MODE_LEARN)
            write_top();
        else
            text_ += section_text(learning_, Section::kTop);
        for (std::size_t i = 1; i < kSectionCount; ++i) {
            const auto section = static_cast<Section>(i);
            if ((section_classes(section) & learning_.rules.policy.learned) != 0)
                write_section(section);
            else
                text_ += section_text(learning_, section);
        }
        return std::move(text_);
    }

private:
    void line(const std::string& what, const std::string& comment = "") {
        text_ += with_comment(what, comment);
    }

    void note(const std::string& what) { text_ += comment_line(what); }

    // What the reader has to know first: this policy does not allow all that was done.
    void write_gaps() {
        if (seen_.lost != 0)
            note("INCOMPLETE: " + std::to_string(seen_.lost) +
                 " acts could not be kept, and may be refused: learn again, with less at once");
        for (const auto& [class_id, seen] : seen_.nameless)
            note("NOT IN THE RULES, as no rule can name it: " +
                 std::string(loader::class_name(class_id)) + ", " + describe(seen));
    }

    [[nodiscard]] bool learned(bh_class class_id) const {
        return (learning_.rules.policy.learned >> class_id & 1) != 0;
    }

    // More than a policy has room for are a class.
    [[nodiscard]] bool devices_are_listed() const {
        return seen_class(BH_CLASS_DEVICES) == nullptr &&
               seen_.devices.size() <= BH_MAX_ALLOWED_DEVICES;
    }

    [[nodiscard]] std::string class_entry(bh_class class_id, const std::string& comment) const {
        return with_comment("  " + quoted(loader::class_name(class_id)) + ",", comment);
    }

    void write_top() {
        line("description = \"Learned from a run\"");
        std::string entries;
        for (const auto& [class_id, seen] : seen_.classes) {
            if (section_of_class(class_id) == Section::kTop)
                entries += class_entry(class_id, describe(seen));
        }
        if (seen_class(BH_CLASS_DEVICES) == nullptr && !devices_are_listed())
            entries += class_entry(BH_CLASS_DEVICES,
                                   std::to_string(seen_.devices.size()) +
                                       " devices, more than allow_devices takes, first: " +
                                       seen_.devices.begin()->first);
        if (entries.empty())
            return;
        text_ += "\n";
        note("These cross the environment's border. Leave out what the program can do without.");
        text_ += "allow = [\n" + entries + "]\n";
    }

    void write_section(Section section) {
        text_ += "\n[" + std::string(section_name(section)) + "]\n";
        const std::size_t before = text_.size();
        if (section == Section::kFiles)
            write_files();
        else if (section == Section::kNetwork)
            write_network();
        else if (section == Section::kCapabilities)
            write_capabilities();
        for (const KeyInfo& key : keys()) {
            if (key.section == section && key.class_id != kNoClass)
                write_class(key);
            else if (key.section == section && key.key == Key::kCgroups)
                write_cgroups();
        }
        // A section that says nothing is left out.
        if (text_.size() == before)
            text_.resize(text_.rfind("\n["));
    }

    [[nodiscard]] const SeenClass* seen_class(int class_id) const {
        const auto found = seen_.classes.find(static_cast<bh_class>(class_id));
        return found == seen_.classes.end() ? nullptr : &found->second;
    }

    void write_class(const KeyInfo& key) {
        const SeenClass* seen = seen_class(key.class_id);
        const std::string name(key.name);
        if (key.key == Key::kSysctl && seen == nullptr)
            return write_sysctls();
        if (!loader::is_enforced(static_cast<bh_class>(key.class_id)))
            return;
        if (key.initially == "refuse" && seen != nullptr)
            line(name + " = \"allow\"", describe(*seen));
        else if (key.initially == "allow" && seen == nullptr)
            line(name + " = \"refuse\"");
        else if (seen != nullptr)
            note(name + " stays allowed: " + describe(*seen));
    }

    // What is not of a class that learned stays as it is.
    void write_cgroups() {
        if (!learned(BH_CLASS_CGROUPS))
            text_ += key_text(learning_, Key::kCgroups);
        else if (seen_.own_cgroups.count != 0 && seen_class(BH_CLASS_CGROUPS) == nullptr)
            line("cgroups = \"own\"", describe(seen_.own_cgroups));
    }

    void write_devices() {
        if (!learned(BH_CLASS_DEVICES)) {
            text_ += key_text(learning_, Key::kAllowDevices);
            return;
        }
        std::vector<LearnedEntry> devices;
        for (const auto& [path, seen] : seen_.devices)
            devices.push_back({path, describe(seen)});
        if (devices_are_listed())
            write_list("allow_devices", devices);
    }

    // Where others were written too, the class is allowed as a whole.
    void write_sysctls() {
        std::vector<LearnedEntry> entries;
        for (const auto& [name, count] : seen_.sysctls)
            entries.push_back({name, describe(SeenClass{count, ""})});
        write_list("sysctl", entries);
    }

    void write_list(const std::string& key, const std::vector<LearnedEntry>& entries) {
        if (entries.empty())
            return;
        text_ += key + " = [\n";
        for (const LearnedEntry& entry : entries)
            line("  " + quoted(entry.value) + ",", entry.from);
        text_ += "]\n";
    }

    void write_files() {
        const LearnedFiles files = generalise_files(seen_);
        line("default = " + quoted(files.otherwise.value), files.otherwise.from);
        for (const LearnedEntry& entry : files.by_default)
            note(entry.value + " is given by that" + (entry.from.empty() ? "" : ": " + entry.from));
        write_list("read", files.read);
        write_list("append", files.append);
        write_list("write", files.write);
        write_list("refuse", files.refuse);
        if (files.execute)
            write_list("execute", *files.execute);
        else
            note("There is no list of programs: what may be read may run.");
        if (const SeenClass* drift = seen_class(BH_CLASS_DRIFT))
            note("drift stays allowed: " + describe(*drift));
        else
            line("drift = \"refuse\"");
        write_devices();
    }

    void write_network() {
        const LearnedNetwork network = generalise_network(seen_);
        if (network.allow) {
            line("default = \"refuse\"");
            write_list("allow", *network.allow);
        } else {
            note("default stays \"allow\": frames were sent, of which no rule knows the address.");
        }
        if (!network.listen)
            note("All ports may be served: the kernel was left to choose one.");
        else if (network.listen->empty())
            line("listen = []");
        else
            write_list("listen", *network.listen);
        std::vector<LearnedEntry> families;
        for (const auto& [class_id, family] :
             {std::pair(BH_CLASS_RAW_SOCKETS, "raw"), std::pair(BH_CLASS_FAMILIES, "other")}) {
            if (const SeenClass* seen = seen_class(class_id))
                families.push_back({family, describe(*seen)});
        }
        write_list("families", families);
    }

    void write_capabilities() {
        constexpr std::size_t kWidth = 96;
        std::vector<std::string> rows(1);
        for (const unsigned capability : seen_.capabilities) {
            const std::string entry = quoted(capability_name(capability).substr(4));
            if (rows.back().size() + entry.size() > kWidth)
                rows.emplace_back();
            rows.back() += (rows.back().empty() ? "" : ", ") + entry;
        }
        if (rows.size() == 1)
            return line("keep = [" + rows.front() + "]");
        text_ += "keep = [\n";
        for (const std::string& row : rows)
            line("  " + row + ",");
        text_ += "]\n";
    }

    const Observations& seen_;
    const Policy& learning_;
    std::string text_;
};

}  // namespace

std::string learned_text(const Observations& seen, const Policy& learning) {
    Writer writer(seen, learning);
    std::string text = writer.write();
    // Said rather than left to be found out; there is no such act that is known.
    auto sources = resolve({"learned policy", text});
    const auto policy = sources ? compile(std::move(*sources)) : fail(std::move(sources).error());
    if (!policy)
        return text + comment_line("This does not compile: " + policy.error().message());
    for (const std::string& act : refused_of(seen, *policy))
        text += comment_line("This was done and is refused: " + act);
    return text;
}

}  // namespace bulkhead::policy
