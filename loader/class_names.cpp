// The names that wire.h gives hooks and classes; apart from all that touches maps.
#include <array>

#include "loader/refusals.h"

namespace bulkhead::loader {

const char* hook_name(unsigned hook) {
    static constexpr std::array kNames = {
#define BH_HOOK_NAME(name) #name,
        BH_HOOKS(BH_HOOK_NAME)
#undef BH_HOOK_NAME
    };
    return hook < kNames.size() ? kNames[hook] : "?";
}

const char* class_name(unsigned class_id) {
    static constexpr std::array kNames = {
#define BH_CLASS_NAME(id, name, text) #name,
        BH_CLASSES(BH_CLASS_NAME)
#undef BH_CLASS_NAME
    };
    return class_id < kNames.size() ? kNames[class_id] : "?";
}

const char* class_meaning(unsigned class_id) {
    static constexpr std::array kMeanings = {
#define BH_CLASS_MEANING(id, name, text) text,
        BH_CLASSES(BH_CLASS_MEANING)
#undef BH_CLASS_MEANING
    };
    return class_id < kMeanings.size() ? kMeanings[class_id] : "?";
}

}  // namespace bulkhead::loader
