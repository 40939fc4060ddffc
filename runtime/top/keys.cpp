#include <algorithm>

#include "runtime/top/view.h"

namespace bulkhead::runtime::top {
namespace {

constexpr std::string_view kUp = "\x1b[A";
constexpr std::string_view kDown = "\x1b[B";
constexpr std::string_view kEscape = "\x1b";
constexpr std::size_t kLongestFilter = 63;  // no name is longer

void type_filter(View& view, std::string_view key) {
    const char letter = key.front();
    if (letter == '\r' || letter == '\n') {
        view.typing = Typing::kNothing;
    } else if (key == kEscape) {
        view.typing = Typing::kNothing;
        view.filter.clear();
    } else if (letter == '\x7f' || letter == '\b') {
        if (!view.filter.empty())
            view.filter.pop_back();
    } else if (key.size() == 1 && letter > ' ' && letter < '\x7f' &&
               view.filter.size() < kLongestFilter) {
        view.filter += letter;
    }
    view.selected = 0;
}

void move(View& view, const Model& model, int by) {
    const std::size_t count = model.rows(view.sort, view.order, view.filter).size();
    if (by < 0)
        view.selected -= std::min<std::size_t>(view.selected, 1);
    else if (view.selected + 1 < count)
        ++view.selected;
}

void look_at_selected(View& view, const Model& model) {
    const auto rows = model.rows(view.sort, view.order, view.filter);
    if (view.selected < rows.size())
        view.looked_at = rows[view.selected]->usage.serial;
}

void go_back(View& view) {
    if (view.looked_at)
        view.looked_at.reset();
    else
        view.filter.clear();
}

}  // namespace

std::string_view take_key(std::string_view& bytes) {
    std::size_t length = 1;
    // "\x1b[" or "\x1bO", parameters, and a last letter.
    if (bytes.size() > 2 && bytes[0] == '\x1b' && (bytes[1] == '[' || bytes[1] == 'O')) {
        length = 2;
        while (length + 1 < bytes.size() && (bytes[length] < '@' || bytes[length] > '~'))
            ++length;
        ++length;
    }
    const std::string_view key = bytes.substr(0, length);
    bytes.remove_prefix(key.size());
    return key;
}

Reaction press(View& view, const Model& model, std::string_view key) {
    if (key.empty())
        return Reaction::kStay;
    if (key == "\x03")
        return Reaction::kQuit;
    if (view.typing == Typing::kFilter) {
        type_filter(view, key);
        return Reaction::kStay;
    }
    if (key == "q" && !view.looked_at)
        return Reaction::kQuit;
    if (key == kUp || key == "\x1bOA" || key == "k")
        move(view, model, -1);
    else if (key == kDown || key == "\x1bOB" || key == "j")
        move(view, model, 1);
    else if (key == "\r" || key == "\n")
        look_at_selected(view, model);
    else if (key == kEscape || key == "q" || key == "\x7f")
        go_back(view);
    else if (key == "/")
        view.typing = Typing::kFilter;
    else if (key == "s")
        view.sort = static_cast<Sort>((static_cast<int>(view.sort) + 1) % kSorts);
    else if (key == "r")
        view.order =
            view.order == Order::kLargestFirst ? Order::kSmallestFirst : Order::kLargestFirst;
    else if (key == " " || key == "p")
        view.motion = view.motion == Motion::kLive ? Motion::kPaused : Motion::kLive;
    return Reaction::kStay;
}

}  // namespace bulkhead::runtime::top
