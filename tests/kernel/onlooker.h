// Looks all the time at what others move. Whoever moves it is forked before: a process that has
// threads may hold the allocator's lock in one of them, and its child would wait for that for ever.
#pragma once

#include <atomic>
#include <functional>
#include <thread>

namespace bulkhead::tests {

class Onlooker {
public:
    // `is_above`: what is looked at is above its limit, or below zero.
    explicit Onlooker(std::function<bool()> is_above)
        : looking_([this, is_above = std::move(is_above)] {
              while (!done_) {
                  above_ = above_ || is_above();
                  ++looks_;
              }
          }) {}
    Onlooker(const Onlooker&) = delete;
    Onlooker& operator=(const Onlooker&) = delete;
    ~Onlooker() { stop(); }

    void stop() {
        done_ = true;
        if (looking_.joinable())
            looking_.join();
    }
    [[nodiscard]] bool saw_above() const { return above_; }
    [[nodiscard]] unsigned looks() const { return looks_; }

private:
    std::atomic<bool> done_ = false;
    std::atomic<bool> above_ = false;
    std::atomic<unsigned> looks_ = 0;
    std::thread looking_;
};

}  // namespace bulkhead::tests
