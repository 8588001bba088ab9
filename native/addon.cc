// The calls that src/native.ts declares, on Node-API: arguments in, errno out. It decides nothing.
#include <napi.h>

#include <array>
#include <climits>
#include <cstdint>
#include <string>
#include <utility>

#include "syscalls.h"

namespace linux_kexec {
namespace {

// An IMA signature has about 600 bytes; a longer value gives ERANGE.
constexpr size_t kAttributeSize = 4096;

// Takes the arguments of one call in order. The first wrong one leaves a TypeError pending, and the rest are skipped:
// the caller asks `Wrong()` once, at the end.
class Arguments {
 public:
  explicit Arguments(const Napi::CallbackInfo& call) : call_(call) {}

  [[nodiscard]] bool Wrong() const { return wrong_; }

  int Int(const char* name) { return static_cast<int>(Integer(name, INT_MIN, INT_MAX)); }

  uint32_t Flags(const char* name) { return static_cast<uint32_t>(Integer(name, 0, UINT32_MAX)); }

  // A string, which becomes UTF-8, or the bytes themselves. A NUL inside would cut it short on its way into the kernel:
  // "/mnt\0x" must not unmount /mnt.
  std::string Text(const char* name) {
    const Napi::Value value = Next();
    std::string text("\0", 1);
    void* start = nullptr;
    size_t length = 0;
    if (wrong_) return {};
    if (value.IsString()) text = value.As<Napi::String>().Utf8Value();
    if (Elements(value, napi_uint8_array, start, length)) text = std::string(static_cast<char*>(start), length);
    if (text.find('\0') == std::string::npos) return text;
    return Refuse(name, "a string or bytes without NUL"), std::string();
  }

  // An Int32Array of at least one element, whose first is what this points to.
  int32_t* Cell(const char* name, Napi::ObjectReference& pin) {
    const Napi::Value value = Next();
    void* start = nullptr;
    size_t length = 0;
    if (!wrong_ && Elements(value, napi_int32_array, start, length) && length > 0) {
      pin = Napi::Persistent(value.As<Napi::Object>());
      return static_cast<int32_t*>(start);
    }
    return Refuse(name, "an Int32Array that is not empty"), nullptr;
  }

  // A BigInt64Array with room for `count` numbers, for the time of the call.
  int64_t* Numbers(const char* name, size_t count) {
    const Napi::Value value = Next();
    void* start = nullptr;
    size_t length = 0;
    if (!wrong_ && Elements(value, napi_bigint64_array, start, length) && length >= count) {
      return static_cast<int64_t*>(start);
    }
    return Refuse(name, "a BigInt64Array of at least 6 elements"), nullptr;
  }

  // A Uint8Array, for the time of the call.
  const void* Bytes(const char* name, size_t& length) {
    const Napi::Value value = Next();
    void* start = nullptr;
    if (!wrong_ && Elements(value, napi_uint8_array, start, length)) return start;
    return Refuse(name, "a Uint8Array"), nullptr;
  }

  // A physical address or a size.
  size_t Address(const char* name) { return static_cast<size_t>(Integer(name, 0, kLargest)); }

  // At most kMaxSegments objects {bytes, address, size}; the bytes stay where they are.
  size_t Segments(const char* name, std::array<Segment, kMaxSegments>& segments,
                  std::array<Napi::ObjectReference, kMaxSegments>& pins) {
    const Napi::Value value = Next();
    if (wrong_ || !value.IsArray()) return Refuse(name, kSegments), 0;
    const auto array = value.As<Napi::Array>();
    const uint32_t count = array.Length();
    if (count > kMaxSegments) return Refuse(name, kSegments), 0;
    for (uint32_t index = 0; index < count; ++index) {
      const Napi::Value item = array[index];
      if (!item.IsObject()) return Refuse(name, kSegments), 0;
      const auto object = item.As<Napi::Object>();
      const Napi::Value bytes = object.Get("bytes");
      double address = 0;
      double size = 0;
      void* start = nullptr;
      size_t length = 0;
      if (!Elements(bytes, napi_uint8_array, start, length) || !Whole(object.Get("address"), 0, kLargest, address) ||
          !Whole(object.Get("size"), 0, kLargest, size)) {
        return Refuse(name, kSegments), 0;
      }
      segments[index] = {start, length, static_cast<size_t>(address), static_cast<size_t>(size)};
      pins[index] = Napi::Persistent(bytes.As<Napi::Object>());
    }
    return count;
  }

 private:
  static constexpr const char* kSegments = "an array of at most 16 segments {bytes: Uint8Array, address, size}";

  // The largest integer that a double holds exactly and a pointer can hold.
  static constexpr double kLargest =
      sizeof(size_t) < sizeof(double) ? static_cast<double>(UINT32_MAX) : 9007199254740991.0;

  // The place of a typed array's elements, if it has this type; false for any other value.
  [[nodiscard]] bool Elements(const Napi::Value& value, napi_typedarray_type wanted, void*& start,
                              size_t& length) const {
    if (!value.IsTypedArray()) return false;
    napi_typedarray_type type{};
    napi_get_typedarray_info(call_.Env(), value, &type, &length, &start, nullptr, nullptr);
    return type == wanted;
  }

  double Integer(const char* name, double lowest, double highest) {
    double number = 0;
    const Napi::Value value = Next();
    if (!wrong_ && Whole(value, lowest, highest, number)) return number;
    return Refuse(name, "an integer in range"), 0;
  }

  static bool Whole(const Napi::Value& value, double lowest, double highest, double& number) {
    if (!value.IsNumber()) return false;
    number = value.As<Napi::Number>().DoubleValue();
    // NaN fails the comparisons, so the cast below is always defined.
    return number >= lowest && number <= highest && number == static_cast<double>(static_cast<int64_t>(number));
  }

  Napi::Value Next() { return call_[next_++]; }

  void Refuse(const char* name, const char* expected) {
    if (wrong_) return;
    wrong_ = true;
    // A getter of the caller's may have thrown.
    if (call_.Env().IsExceptionPending()) return;
    const std::string message = std::string("The argument ") + name + " must be " + expected;
    Napi::TypeError::New(call_.Env(), message).ThrowAsJavaScriptException();
  }

  const Napi::CallbackInfo& call_;
  size_t next_ = 0;
  bool wrong_ = false;
};

struct Load {
  int kernel;
  int initrd;
  std::string command_line;
  uint32_t flags;

  // Braces, unlike parentheses, evaluate from left to right.
  static Load From(Arguments& arguments) {
    return Load{arguments.Int("kernelFd"), arguments.Int("initrdFd"), arguments.Text("commandLine"),
                arguments.Flags("flags")};
  }

  [[nodiscard]] int Run() const {
    return KexecFileLoad(kernel, initrd, command_line.c_str(), command_line.size() + 1, flags);
  }
};

// Where the caller finds the thread that makes the call, once it has begun. The kernel ends a thread in which it
// crashes, and then nothing else notifies the caller.
class ThreadCell {
 public:
  void Take(Arguments& arguments) { thread_ = arguments.Cell("thread", pin_); }

  void Tell() const { __atomic_store_n(thread_, ThreadId(), __ATOMIC_RELAXED); }

 private:
  int32_t* thread_ = nullptr;
  Napi::ObjectReference pin_;
};

// The load owns its copy of the command line, so nothing of JavaScript is touched off the event loop. When a worker
// thread exits, Node waits for a load that has begun, and then the promise can no longer be resolved:
// NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS (see binding.gyp) keeps that from aborting the process.
class LoadWorker : public Napi::AsyncWorker {
 public:
  LoadWorker(Napi::Env env, Load load, ThreadCell thread)
      : AsyncWorker(env, "linux-kexec:kexecFileLoad"),
        load_(std::move(load)),
        thread_(std::move(thread)),
        deferred_(env) {}

  void Execute() override {
    thread_.Tell();
    error_ = load_.Run();
  }

  void OnOK() override { deferred_.Resolve(Napi::Number::New(Env(), error_)); }

  [[nodiscard]] Napi::Promise Promise() const { return deferred_.Promise(); }

 private:
  Load load_;
  ThreadCell thread_;
  int error_ = 0;
  Napi::Promise::Deferred deferred_;
};

Napi::Value KexecFileLoadAsync(const Napi::CallbackInfo& call) {
  Arguments arguments(call);
  Load load = Load::From(arguments);
  ThreadCell thread;
  thread.Take(arguments);
  if (arguments.Wrong()) return call.Env().Undefined();
  // Deletes itself when done (Napi::AsyncWorker::OnWorkComplete).
  auto* worker = new LoadWorker(call.Env(), std::move(load), std::move(thread));
  const Napi::Promise promise = worker->Promise();
  worker->Queue();
  return promise;
}

Napi::Value KexecFileLoadSync(const Napi::CallbackInfo& call) {
  Arguments arguments(call);
  const Load load = Load::From(arguments);
  if (arguments.Wrong()) return call.Env().Undefined();
  return Napi::Number::New(call.Env(), load.Run());
}

// The segments of one call, and the references that keep their bytes from being collected during it.
struct SegmentLoad {
  size_t entry = 0;
  size_t count = 0;
  std::array<Segment, kMaxSegments> segments{};
  std::array<Napi::ObjectReference, kMaxSegments> pins{};
  uint32_t flags = 0;

  void Take(Arguments& arguments) {
    entry = arguments.Address("entry");
    count = arguments.Segments("segments", segments, pins);
    flags = arguments.Flags("flags");
  }

  [[nodiscard]] int Run() const { return KexecLoad(entry, count, segments.data(), flags); }
};

// The kernel copies the segments' bytes from JavaScript's own memory. The references go in the destructor, which runs
// on the thread of JavaScript.
class SegmentWorker : public Napi::AsyncWorker {
 public:
  explicit SegmentWorker(Napi::Env env) : AsyncWorker(env, "linux-kexec:kexecLoad"), deferred_(env) {}

  void Take(Arguments& arguments) {
    load_.Take(arguments);
    thread_.Take(arguments);
  }

  void Execute() override {
    thread_.Tell();
    error_ = load_.Run();
  }

  void OnOK() override { deferred_.Resolve(Napi::Number::New(Env(), error_)); }

  [[nodiscard]] Napi::Promise Promise() const { return deferred_.Promise(); }

 private:
  SegmentLoad load_;
  ThreadCell thread_;
  int error_ = 0;
  Napi::Promise::Deferred deferred_;
};

Napi::Value KexecLoadAsync(const Napi::CallbackInfo& call) {
  Arguments arguments(call);
  auto* worker = new SegmentWorker(call.Env());
  worker->Take(arguments);
  if (arguments.Wrong()) {
    delete worker;
    return call.Env().Undefined();
  }
  const Napi::Promise promise = worker->Promise();
  worker->Queue();
  return promise;
}

Napi::Value KexecLoadSync(const Napi::CallbackInfo& call) {
  Arguments arguments(call);
  SegmentLoad load;
  load.Take(arguments);
  if (arguments.Wrong()) return call.Env().Undefined();
  return Napi::Number::New(call.Env(), load.Run());
}

Napi::Value CallProbeThread(const Napi::CallbackInfo& call) {
  Arguments arguments(call);
  const int thread = arguments.Int("thread");
  if (arguments.Wrong()) return call.Env().Undefined();
  return Napi::Number::New(call.Env(), ProbeThread(thread));
}

Napi::Value CallRebootKexec(const Napi::CallbackInfo& call) { return Napi::Number::New(call.Env(), RebootKexec()); }

Napi::Value CallProbeReboot(const Napi::CallbackInfo& call) { return Napi::Number::New(call.Env(), ProbeReboot()); }

Napi::Value CallLock(const Napi::CallbackInfo& call) {
  Arguments arguments(call);
  const int descriptor = arguments.Int("fd");
  const int operation = arguments.Int("operation");
  if (arguments.Wrong()) return call.Env().Undefined();
  return Napi::Number::New(call.Env(), Lock(descriptor, operation));
}

Napi::Value CallMemfdCreate(const Napi::CallbackInfo& call) {
  Arguments arguments(call);
  const std::string name = arguments.Text("name");
  const uint32_t flags = arguments.Flags("flags");
  if (arguments.Wrong()) return call.Env().Undefined();
  return Napi::Number::New(call.Env(), MemfdCreate(name.c_str(), flags));
}

Napi::Value CallSeekEnd(const Napi::CallbackInfo& call) {
  Arguments arguments(call);
  const int descriptor = arguments.Int("fd");
  if (arguments.Wrong()) return call.Env().Undefined();
  return Napi::Number::New(call.Env(), SeekEnd(descriptor));
}

// Bytes, each as one character of a string: without a buffer, no further part of Node-API is needed. Or an errno,
// negated.
Napi::Value BytesOrErrno(Napi::Env env, const char* bytes, int length) {
  if (length < 0) return Napi::Number::New(env, length);
  napi_value text = nullptr;
  const napi_status status = napi_create_string_latin1(env, bytes, static_cast<size_t>(length), &text);
  NAPI_THROW_IF_FAILED(env, status, env.Undefined());
  return {env, text};
}

Napi::Value CallGetAttribute(const Napi::CallbackInfo& call) {
  Arguments arguments(call);
  const int descriptor = arguments.Int("fd");
  const std::string name = arguments.Text("name");
  if (arguments.Wrong()) return call.Env().Undefined();
  std::array<char, kAttributeSize> value{};
  return BytesOrErrno(call.Env(), value.data(), GetAttribute(descriptor, name.c_str(), value.data(), value.size()));
}

Napi::Value CallListAttributes(const Napi::CallbackInfo& call) {
  Arguments arguments(call);
  const int descriptor = arguments.Int("fd");
  if (arguments.Wrong()) return call.Env().Undefined();
  std::array<char, kAttributeSize> names{};
  return BytesOrErrno(call.Env(), names.data(), ListAttributes(descriptor, names.data(), names.size()));
}

Napi::Value CallSetAttribute(const Napi::CallbackInfo& call) {
  Arguments arguments(call);
  const int descriptor = arguments.Int("fd");
  const std::string name = arguments.Text("name");
  size_t length = 0;
  const void* value = arguments.Bytes("value", length);
  if (arguments.Wrong()) return call.Env().Undefined();
  return Napi::Number::New(call.Env(), SetAttribute(descriptor, name.c_str(), value, length));
}

Napi::Value CallWatchdogSetTimeout(const Napi::CallbackInfo& call) {
  Arguments arguments(call);
  const int descriptor = arguments.Int("fd");
  const int seconds = arguments.Int("seconds");
  if (arguments.Wrong()) return call.Env().Undefined();
  return Napi::Number::New(call.Env(), WatchdogSetTimeout(descriptor, seconds));
}

Napi::Value CallGetInodeFlags(const Napi::CallbackInfo& call) {
  Arguments arguments(call);
  const int descriptor = arguments.Int("fd");
  if (arguments.Wrong()) return call.Env().Undefined();
  return Napi::Number::New(call.Env(), GetInodeFlags(descriptor));
}

Napi::Value CallSetInodeFlags(const Napi::CallbackInfo& call) {
  Arguments arguments(call);
  const int descriptor = arguments.Int("fd");
  const int flags = arguments.Int("flags");
  if (arguments.Wrong()) return call.Env().Undefined();
  return Napi::Number::New(call.Env(), SetInodeFlags(descriptor, flags));
}

Napi::Value CallFlushJournal(const Napi::CallbackInfo& call) {
  Arguments arguments(call);
  const int descriptor = arguments.Int("fd");
  if (arguments.Wrong()) return call.Env().Undefined();
  return Napi::Number::New(call.Env(), FlushJournal(descriptor));
}

Napi::Value CallReadClocks(const Napi::CallbackInfo& call) {
  Arguments arguments(call);
  int64_t* numbers = arguments.Numbers("clocks", 6);
  if (arguments.Wrong()) return call.Env().Undefined();
  Clocks clocks = {};
  const int error = ReadClocks(&clocks);
  numbers[0] = static_cast<int64_t>(clocks.before);
  numbers[1] = clocks.boottime;
  numbers[2] = clocks.monotonic_raw;
  numbers[3] = clocks.realtime;
  numbers[4] = static_cast<int64_t>(clocks.after);
  numbers[5] = static_cast<int64_t>(clocks.frequency);
  return Napi::Number::New(call.Env(), error);
}

Napi::Value CallClose(const Napi::CallbackInfo& call) {
  Arguments arguments(call);
  const int descriptor = arguments.Int("fd");
  if (arguments.Wrong()) return call.Env().Undefined();
  return Napi::Number::New(call.Env(), Close(descriptor));
}

Napi::Value CallSync(const Napi::CallbackInfo& call) { return Napi::Number::New(call.Env(), Sync()); }

Napi::Value CallUnmount(const Napi::CallbackInfo& call) {
  Arguments arguments(call);
  const std::string target = arguments.Text("target");
  const int flags = arguments.Int("flags");
  if (arguments.Wrong()) return call.Env().Undefined();
  return Napi::Number::New(call.Env(), Unmount(target.c_str(), flags));
}

Napi::Value CallRemountReadOnly(const Napi::CallbackInfo& call) {
  Arguments arguments(call);
  const std::string target = arguments.Text("target");
  if (arguments.Wrong()) return call.Env().Undefined();
  return Napi::Number::New(call.Env(), RemountReadOnly(target.c_str()));
}

Napi::Value CallChildResult(const Napi::CallbackInfo& call) {
  Arguments arguments(call);
  const int child = arguments.Int("child");
  if (arguments.Wrong()) return call.Env().Undefined();
  return Napi::Number::New(call.Env(), ChildResult(child));
}

Napi::Object Initialise(Napi::Env env, Napi::Object exports) {
  exports["kexecFileLoad"] = Napi::Function::New<KexecFileLoadAsync>(env, "kexecFileLoad");
  exports["kexecFileLoadSync"] = Napi::Function::New<KexecFileLoadSync>(env, "kexecFileLoadSync");
  exports["kexecLoad"] = Napi::Function::New<KexecLoadAsync>(env, "kexecLoad");
  exports["kexecLoadSync"] = Napi::Function::New<KexecLoadSync>(env, "kexecLoadSync");
  exports["probeThread"] = Napi::Function::New<CallProbeThread>(env, "probeThread");
  exports["rebootKexec"] = Napi::Function::New<CallRebootKexec>(env, "rebootKexec");
  exports["probeReboot"] = Napi::Function::New<CallProbeReboot>(env, "probeReboot");
  exports["lock"] = Napi::Function::New<CallLock>(env, "lock");
  exports["memfdCreate"] = Napi::Function::New<CallMemfdCreate>(env, "memfdCreate");
  exports["seekEnd"] = Napi::Function::New<CallSeekEnd>(env, "seekEnd");
  exports["getAttribute"] = Napi::Function::New<CallGetAttribute>(env, "getAttribute");
  exports["listAttributes"] = Napi::Function::New<CallListAttributes>(env, "listAttributes");
  exports["setAttribute"] = Napi::Function::New<CallSetAttribute>(env, "setAttribute");
  exports["close"] = Napi::Function::New<CallClose>(env, "close");
  exports["watchdogSetTimeout"] = Napi::Function::New<CallWatchdogSetTimeout>(env, "watchdogSetTimeout");
  exports["getInodeFlags"] = Napi::Function::New<CallGetInodeFlags>(env, "getInodeFlags");
  exports["setInodeFlags"] = Napi::Function::New<CallSetInodeFlags>(env, "setInodeFlags");
  exports["flushJournal"] = Napi::Function::New<CallFlushJournal>(env, "flushJournal");
  exports["readClocks"] = Napi::Function::New<CallReadClocks>(env, "readClocks");
  exports["sync"] = Napi::Function::New<CallSync>(env, "sync");
  exports["unmount"] = Napi::Function::New<CallUnmount>(env, "unmount");
  exports["remountReadOnly"] = Napi::Function::New<CallRemountReadOnly>(env, "remountReadOnly");
  exports["childResult"] = Napi::Function::New<CallChildResult>(env, "childResult");
  return exports;
}

}  // namespace

NODE_API_MODULE(linux_kexec, Initialise)

}  // namespace linux_kexec
