// bulkhead top: what environments use at this moment, on a screen, or once for scripts.
#include <cstdio>
#include <memory>

#include "cli/commands.h"
#include "runtime/json.h"
#include "runtime/top/screen.h"

namespace bulkhead::cli {
namespace {

namespace top = runtime::top;

struct Options {
    std::string sort = "cpu";
    std::string filter;
    double interval_s = 2;
    bool once = false;
    bool json = false;
};

std::vector<std::string> sort_names() {
    std::vector<std::string> names;
    names.reserve(top::kSorts);
    for (int i = 0; i < top::kSorts; ++i)
        names.emplace_back(top::sort_name(static_cast<top::Sort>(i)));
    return names;
}

top::View view_of(const Options& options) {
    top::View view;
    for (int i = 0; i < top::kSorts; ++i)
        if (options.sort == top::sort_name(static_cast<top::Sort>(i)))
            view.sort = static_cast<top::Sort>(i);
    view.filter = options.filter;
    view.glyphs = top::glyphs_of_locale();
    return view;
}

Result<int> show(const Options& options) {
    const top::View view = view_of(options);
    const auto interval_ms = static_cast<std::uint64_t>(options.interval_s * 1000);
    if (!options.once && !options.json) {
        BULKHEAD_TRY(top::show(view, interval_ms));
        return 0;
    }
    BULKHEAD_TRY_VALUE(model, top::read_twice(interval_ms));
    if (!options.json) {
        std::fputs(top::table_text(view, model).c_str(), stdout);
        return 0;
    }
    Json array = Json::array();
    for (const top::Row* row : model.rows(view.sort, view.order, view.filter))
        array.push_back(to_json(*row));
    std::puts(array.indented().c_str());
    return 0;
}

Action declare(OptionSet& set) {
    constexpr double kShortest = 0.1, kLongest = 3600;
    auto options = std::make_shared<Options>();
    set.value("--sort", options->sort, "cpu, memory, network, disk, tasks, refused or name")
        .one_of(sort_names())
        .shows_default();
    set.value("--filter", options->filter, "only environments with this in their name");
    set.value("--interval", options->interval_s, "seconds from one reading to the next")
        .between(kShortest, kLongest)
        .shows_default();
    set.flag("--once", options->once, "print one table and end");
    set.flag("--json", options->json, "print one reading as JSON and end");
    set.footer(
        "Keys: Up and Down select, Enter looks at one environment, Esc goes back, / filters by "
        "name,\ns sorts by the next column, r reverses, Space pauses, q quits.");
    return [options](const Payload&) { return show(*options); };
}

}  // namespace

const Command kTop = {"top", "watch what environments use", ExitCodes::kOwn, declare};

}  // namespace bulkhead::cli
