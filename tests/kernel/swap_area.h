// A swap area of compressed memory, for as long as the object lives.
#pragma once

namespace bulkhead::tests {

class SwapArea {
public:
    SwapArea();
    SwapArea(const SwapArea&) = delete;
    SwapArea& operator=(const SwapArea&) = delete;
    ~SwapArea();
};

}  // namespace bulkhead::tests
