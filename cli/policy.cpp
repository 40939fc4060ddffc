// bulkhead policy: checks, shows, compares, explains and publishes policies.
#include <array>
#include <cstdio>
#include <memory>
#include <utility>

#include "cli/commands.h"
#include "runtime/apply.h"
#include "runtime/format.h"
#include "runtime/json.h"
#include "runtime/learned_record.h"
#include "runtime/policy/decide.h"
#include "runtime/policy/diff.h"
#include "runtime/policy/schema.h"
#include "runtime/policy/show.h"
#include "runtime/policy_record.h"

namespace bulkhead::cli {
namespace {

struct Options {
    std::vector<std::string> words;
    std::string output;
    bool schema = false;
    bool json = false;
};

Status expect_words(const Options& options, std::size_t least, std::size_t most,
                    const char* usage) {
    const std::size_t given = options.words.size() - 1;
    if (given < least || given > most)
        return fail(Error(0, "that takes other arguments", Fault::kUsage)
                        .advise(std::string("bulkhead policy ") + usage));
    return {};
}

Result<int> check(const Options& options) {
    BULKHEAD_TRY(expect_words(options, 1, SIZE_MAX, "check FILE…"));
    std::string wrong;
    for (std::size_t i = 1; i < options.words.size(); ++i) {
        const auto loaded = policy::load(options.words[i]);
        if (!loaded)
            wrong += (wrong.empty() ? "" : "\n") + loaded.error().message();
        else if (!options.json)
            print_formatted("{}: {} rules\n", options.words[i], loaded->statements.size());
    }
    if (!wrong.empty())
        return fail_usage("\n" + wrong);
    return 0;
}

Result<int> show(const Options& options) {
    if (options.schema) {
        std::puts(policy::json_schema().c_str());
        return 0;
    }
    BULKHEAD_TRY(expect_words(options, 1, 1, "show POLICY, or show --schema"));
    BULKHEAD_TRY_VALUE(loaded, runtime::find_policy(options.words[1]));
    // A profile, or a file, that stands alone is its own best text.
    if (loaded.sources.size() == 1)
        std::fputs(loaded.sources.front().text.c_str(), stdout);
    else
        std::fputs(policy::effective_text(loaded).c_str(), stdout);
    return 0;
}

Json to_json(const std::vector<policy::Difference>& list) {
    Json array = Json::array();
    for (const policy::Difference& one : list)
        array.push_back({{"act", one.act}, {"first", one.by_first}, {"second", one.by_second}});
    return array;
}

void print(const std::string& title, const std::vector<policy::Difference>& list) {
    if (!list.empty())
        print_formatted("{}:\n", title);
    for (const policy::Difference& one : list) {
        print_formatted("  {}\n", one.act);
        for (const std::string& rule : {one.by_first, one.by_second}) {
            if (!rule.empty())
                print_formatted("      {}\n", rule);
        }
    }
}

Result<int> diff(const Options& options) {
    BULKHEAD_TRY(expect_words(options, 2, 2, "diff POLICY POLICY"));
    const std::string &first_name = options.words[1], &second_name = options.words[2];
    BULKHEAD_TRY_VALUE(first, runtime::find_policy(first_name));
    BULKHEAD_TRY_VALUE(second, runtime::find_policy(second_name));
    const policy::Differences found = policy::compare(first, second);
    if (options.json) {
        std::puts(Json{{"first_only", to_json(found.first_only)},
                       {"second_only", to_json(found.second_only)},
                       {"modes", found.modes}}
                      .indented()
                      .c_str());
        return 0;
    }
    for (const std::string& mode : found.modes)
        print_formatted("{}\n", mode);
    print(first_name + " allows, " + second_name + " refuses", found.first_only);
    print(second_name + " allows, " + first_name + " refuses", found.second_only);
    if (found.empty())
        print_formatted("they decide the same\n");
    return 0;
}

Result<int> explain(const Options& options) {
    BULKHEAD_TRY(expect_words(options, 3, 3, "explain POLICY ACT OBJECT"));
    BULKHEAD_TRY_VALUE(loaded, runtime::find_policy(options.words[1]));
    BULKHEAD_TRY_VALUE(decision, policy::decide_act(loaded, options.words[2], options.words[3]));
    if (options.json)
        std::puts(Json{{"allowed", decision.allowed},
                       {"if_named_by", policy::peer_of(loaded, decision)},
                       {"rule", loaded.describe_rule(decision.rule)},
                       {"rule_number", decision.rule}}
                      .compact()
                      .c_str());
    else
        print_formatted("{}\n", policy::describe(loaded, decision));
    return 0;
}

Result<int> apply(const Options& options) {
    BULKHEAD_TRY(expect_words(options, 2, 2, "apply NAME POLICY"));
    const std::string &name = options.words[1], &source = options.words[2];
    BULKHEAD_TRY_VALUE(policy, policy::load_enforced(source));
    BULKHEAD_TRY_VALUE(generation, runtime::apply_policy(name, std::move(policy), source));
    if (options.json)
        std::puts(Json{
            {"name", name}, {"outcome", "applied"}, {"policy", source}, {"generation", generation}}
                      .compact()
                      .c_str());
    return 0;
}

Result<int> learn(const Options& options) {
    BULKHEAD_TRY(expect_words(options, 1, 1, "learn NAME [--output FILE]"));
    BULKHEAD_TRY_VALUE(learned, runtime::learned_policy(options.words[1]));
    if (!options.output.empty())
        BULKHEAD_TRY(runtime::write_learned(learned, options.output));
    if (options.json)
        std::puts(Json{{"name", options.words[1]}, {"policy", learned.text}, {"lost", learned.lost}}
                      .compact()
                      .c_str());
    else if (options.output.empty())
        std::fputs(learned.text.c_str(), stdout);
    if (learned.lost != 0)
        return fail(
            Error(0, options.words[1] + " did " + std::to_string(learned.lost) +
                         " acts more than could be kept: the policy is written, but incomplete")
                .advise("learn again, with less at once"));
    return 0;
}

struct Verb {
    std::string_view name;
    Result<int> (*act)(const Options& options);
};

constexpr std::array kVerbs = {Verb{"check", check}, Verb{"show", show},
                               Verb{"diff", diff},   Verb{"explain", explain},
                               Verb{"apply", apply}, Verb{"learn", learn}};

Result<int> act(const Options& options) {
    const std::string& name = options.words.front();
    std::vector<std::string_view> names;
    for (const Verb& verb : kVerbs) {
        if (verb.name == name)
            return verb.act(options);
        names.push_back(verb.name);
    }
    return fail_usage("there is no policy " + name + policy::did_you_mean(name, names));
}

Action declare(OptionSet& set) {
    auto options = std::make_shared<Options>();
    set.words("VERB", options->words, "what to do, and with what").required();
    set.value("--output", options->output, "learn: the file to write");
    set.flag("--schema", options->schema, "show: the JSON Schema of policies");
    set.flag("--json", options->json, "print JSON");
    set.footer(
        "A POLICY is a file, a profile or a running environment; environment:NAME where both are\n"
        "named alike.\n"
        "check FILE…           every mistake, with file, line and column\n"
        "show POLICY           what holds, and where each line comes from\n"
        "diff A B              what one allows and the other refuses\n"
        "explain A ACT OBJECT  who decides: open-read, open-write, open-append, exec PATH,\n"
        "                      connect ADDRESS[:PORT][/PROTOCOL], listen [PROTOCOL/]PORT,\n"
        "                      ipc-signal, ipc-connect, ipc-share-memory ENVIRONMENT,\n"
        "                      capability NAME, class NAME\n"
        "apply NAME POLICY     from now on a running environment has this profile or file\n"
        "learn NAME            the policy that allows what was done in mode learn, and no more");
    return [options](const Payload&) { return act(*options); };
}

}  // namespace

const Command kPolicy = {"policy", "check, show, compare, explain, apply and learn policies",
                         ExitCodes::kOwn, declare};

}  // namespace bulkhead::cli
