// SPDX-License-Identifier: Apache-2.0
#pragma once

// Mutexes that clang's -Wthread-safety can check (std::mutex is no capability in libstdc++).
// Every guarded field says LG_GUARDED_BY; the lock order is written at the field. The tsan preset,
// built with clang, checks it; for other compilers the words below mean nothing.
//
//   LG_GUARDED_BY(m)    the field is touched only while m is held
//   LG_REQUIRES(m)      the caller holds m, and still does on return
//   LG_EXCLUDES(m)      the caller does not hold m: the function takes it
//   LG_ACQUIRE, LG_RELEASE and their _SHARED forms stand at what locks and unlocks

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <shared_mutex>

#if defined(__clang__)
#define LG_THREAD_ANNOTATION(x) __attribute__((x))
#else
#define LG_THREAD_ANNOTATION(x)
#endif
#define LG_CAPABILITY(x) LG_THREAD_ANNOTATION(capability(x))
#define LG_SCOPED_CAPABILITY LG_THREAD_ANNOTATION(scoped_lockable)
#define LG_GUARDED_BY(x) LG_THREAD_ANNOTATION(guarded_by(x))
#define LG_REQUIRES(...) LG_THREAD_ANNOTATION(requires_capability(__VA_ARGS__))
#define LG_REQUIRES_SHARED(...) LG_THREAD_ANNOTATION(requires_shared_capability(__VA_ARGS__))
#define LG_ACQUIRE(...) LG_THREAD_ANNOTATION(acquire_capability(__VA_ARGS__))
#define LG_ACQUIRE_SHARED(...) LG_THREAD_ANNOTATION(acquire_shared_capability(__VA_ARGS__))
#define LG_RELEASE(...) LG_THREAD_ANNOTATION(release_capability(__VA_ARGS__))
#define LG_RELEASE_SHARED(...) LG_THREAD_ANNOTATION(release_shared_capability(__VA_ARGS__))
#define LG_RELEASE_GENERIC(...) LG_THREAD_ANNOTATION(release_generic_capability(__VA_ARGS__))
#define LG_EXCLUDES(...) LG_THREAD_ANNOTATION(locks_excluded(__VA_ARGS__))
#define LG_NO_THREAD_SAFETY_ANALYSIS LG_THREAD_ANNOTATION(no_thread_safety_analysis)

namespace leadglass {

// An exclusive lock. Not recursive: locking it twice in one thread hangs. Lock() never fails.
class LG_CAPABILITY("mutex") Mutex {
 public:
  void Lock() LG_ACQUIRE() { mutex_.lock(); }
  void Unlock() LG_RELEASE() { mutex_.unlock(); }

 private:
  friend class CondVar;
  std::mutex mutex_;
};

// Holds a Mutex, which must outlive it, from its construction to the end of its scope.
class LG_SCOPED_CAPABILITY MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) LG_ACQUIRE(mutex) : mutex_(mutex) { mutex_.Lock(); }
  ~MutexLock() LG_RELEASE() { mutex_.Unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex& mutex_;
};

// Waits on a Mutex that the caller holds: it is released while waiting and held again on return.
// Spurious wake-ups happen: wait in a loop. All waiters at one time name the same Mutex. Notifying
// needs no lock; a change made under the Mutex before is seen by who wakes up.
class CondVar {
 public:
  void Wait(Mutex& mutex) LG_REQUIRES(mutex) {
    std::unique_lock<std::mutex> lock(mutex.mutex_, std::adopt_lock);
    condition_.wait(lock);
    lock.release();
  }
  // False when `timeout`, by the monotonic clock, passed without a notification.
  template <typename Rep, typename Period>
  bool WaitFor(Mutex& mutex, const std::chrono::duration<Rep, Period>& timeout) LG_REQUIRES(mutex) {
    std::unique_lock<std::mutex> lock(mutex.mutex_, std::adopt_lock);
    const bool notified = condition_.wait_for(lock, timeout) == std::cv_status::no_timeout;
    lock.release();
    return notified;
  }
  void NotifyOne() { condition_.notify_one(); }
  void NotifyAll() { condition_.notify_all(); }

 private:
  std::condition_variable condition_;
};

// Many readers or one writer. Not recursive in any mixture: asking for it again in a thread that
// holds it hangs or throws (EDEADLK), so look before you lock.
class LG_CAPABILITY("shared_mutex") SharedMutex {
 public:
  void Lock() LG_ACQUIRE() { mutex_.lock(); }
  void Unlock() LG_RELEASE() { mutex_.unlock(); }
  void LockShared() LG_ACQUIRE_SHARED() { mutex_.lock_shared(); }
  void UnlockShared() LG_RELEASE_SHARED() { mutex_.unlock_shared(); }

 private:
  std::shared_mutex mutex_;
};

// Holds a SharedMutex exclusively for its scope.
class LG_SCOPED_CAPABILITY WriterLock {
 public:
  explicit WriterLock(SharedMutex& mutex) LG_ACQUIRE(mutex) : mutex_(mutex) { mutex_.Lock(); }
  ~WriterLock() LG_RELEASE() { mutex_.Unlock(); }
  WriterLock(const WriterLock&) = delete;
  WriterLock& operator=(const WriterLock&) = delete;

 private:
  SharedMutex& mutex_;
};

// Holds a SharedMutex together with other readers for its scope.
class LG_SCOPED_CAPABILITY ReaderLock {
 public:
  explicit ReaderLock(SharedMutex& mutex) LG_ACQUIRE_SHARED(mutex) : mutex_(mutex) {
    mutex_.LockShared();
  }
  ~ReaderLock() LG_RELEASE_GENERIC() { mutex_.UnlockShared(); }
  ReaderLock(const ReaderLock&) = delete;
  ReaderLock& operator=(const ReaderLock&) = delete;

 private:
  SharedMutex& mutex_;
};

}  // namespace leadglass
