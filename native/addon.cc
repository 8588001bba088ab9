// What src/native.ts declares, on Node-API: arguments in, errno out. It decides nothing.
#include <napi.h>

#include <array>
#include <climits>
#include <cstdint>
#include <string>
#include <utility>

#include "syscalls.h"

namespace linux_kexec {
namespace {

// An IMA signature has about 600 bytes; of what is longer, ERANGE is told.
constexpr size_t kAttributeSize = 4096;

// Takes the arguments of one call in order. The first that is not what it should be leaves a TypeError pending, and
// those after it are not looked at: the caller asks `Wrong()` once, at the end.
class Arguments {
 public:
  explicit Arguments(const Napi::CallbackInfo& call) : call_(call) {}

  [[nodiscard]] bool Wrong() const { return wrong_; }

  int Int(const char* name) { return static_cast<int>(Integer(name, INT_MIN, INT_MAX)); }

  uint32_t Flags(const char* name) { return static_cast<uint32_t>(Integer(name, 0, UINT32_MAX)); }

  // UTF-8. A NUL inside would cut the string short on its way into the kernel: "/mnt\0x" must not unmount /mnt.
  std::string Text(const char* name) {
    const Napi::Value value = Next();
    if (!wrong_ && value.IsString()) {
      std::string text = value.As<Napi::String>().Utf8Value();
      if (text.find('\0') == std::string::npos) return text;
    }
    return Refuse(name, "a string without NUL"), std::string();
  }

 private:
  double Integer(const char* name, double lowest, double highest) {
    const Napi::Value value = Next();
    if (!wrong_ && value.IsNumber()) {
      const double number = value.As<Napi::Number>().DoubleValue();
      // NaN fails the comparisons, so the cast below is always defined.
      if (number >= lowest && number <= highest && number == static_cast<double>(static_cast<int64_t>(number))) {
        return number;
      }
    }
    return Refuse(name, "an integer in range"), 0;
  }

  Napi::Value Next() { return call_[next_++]; }

  void Refuse(const char* name, const char* expected) {
    if (wrong_) return;
    wrong_ = true;
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

// The load owns its copy of the command line, so nothing of JavaScript is touched off the event loop. When a worker
// thread exits, Node waits for a load that has begun, and then the promise cannot be resolved any more:
// NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS (see binding.gyp) keeps that from aborting the process.
class LoadWorker : public Napi::AsyncWorker {
 public:
  LoadWorker(Napi::Env env, Load load)
      : AsyncWorker(env, "linux-kexec:kexecFileLoad"), load_(std::move(load)), deferred_(env) {}

  void Execute() override { error_ = load_.Run(); }

  void OnOK() override { deferred_.Resolve(Napi::Number::New(Env(), error_)); }

  [[nodiscard]] Napi::Promise Promise() const { return deferred_.Promise(); }

 private:
  Load load_;
  int error_ = 0;
  Napi::Promise::Deferred deferred_;
};

Napi::Value KexecFileLoadAsync(const Napi::CallbackInfo& call) {
  Arguments arguments(call);
  Load load = Load::From(arguments);
  if (arguments.Wrong()) return call.Env().Undefined();
  // Deletes itself when done (Napi::AsyncWorker::OnWorkComplete).
  auto* worker = new LoadWorker(call.Env(), std::move(load));
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

Napi::Value CallRebootKexec(const Napi::CallbackInfo& call) { return Napi::Number::New(call.Env(), RebootKexec()); }

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

// The attribute's bytes, each as one character of a string: without a buffer, nothing more of Node-API is needed.
Napi::Value CallGetAttribute(const Napi::CallbackInfo& call) {
  Arguments arguments(call);
  const int descriptor = arguments.Int("fd");
  const std::string name = arguments.Text("name");
  if (arguments.Wrong()) return call.Env().Undefined();
  std::array<char, kAttributeSize> value{};
  const int length = GetAttribute(descriptor, name.c_str(), value.data(), value.size());
  if (length < 0) return Napi::Number::New(call.Env(), length);
  napi_value text = nullptr;
  const napi_status status = napi_create_string_latin1(call.Env(), value.data(), static_cast<size_t>(length), &text);
  NAPI_THROW_IF_FAILED(call.Env(), status, call.Env().Undefined());
  return {call.Env(), text};
}

void CallSync(const Napi::CallbackInfo& /*call*/) { Sync(); }

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

Napi::Object Initialise(Napi::Env env, Napi::Object exports) {
  exports["kexecFileLoad"] = Napi::Function::New<KexecFileLoadAsync>(env, "kexecFileLoad");
  exports["kexecFileLoadSync"] = Napi::Function::New<KexecFileLoadSync>(env, "kexecFileLoadSync");
  exports["rebootKexec"] = Napi::Function::New<CallRebootKexec>(env, "rebootKexec");
  exports["memfdCreate"] = Napi::Function::New<CallMemfdCreate>(env, "memfdCreate");
  exports["seekEnd"] = Napi::Function::New<CallSeekEnd>(env, "seekEnd");
  exports["getAttribute"] = Napi::Function::New<CallGetAttribute>(env, "getAttribute");
  exports["sync"] = Napi::Function::New<CallSync>(env, "sync");
  exports["unmount"] = Napi::Function::New<CallUnmount>(env, "unmount");
  exports["remountReadOnly"] = Napi::Function::New<CallRemountReadOnly>(env, "remountReadOnly");
  return exports;
}

}  // namespace

NODE_API_MODULE(linux_kexec, Initialise)

}  // namespace linux_kexec
