// Between JavaScript and the C kernels: checks every argument before any memory is touched, and runs the
// work on libuv's thread pool. Bad arguments throw at once; nothing is queued then.
#include <napi.h>

#include <cstring>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

extern "C" {
#include "aes.h"
#include "fec.h"
#include "sha256.h"
}

namespace {

using Napi::CallbackInfo;
using Napi::Env;
using Napi::Value;

struct Span {
  const uint8_t *data;
  size_t size;
};

// How messages call an argument: by its name, or the element of an array by name and index. Written out
// only when something is wrong with it.
struct Label {
  const char *name;
  int64_t index = -1;
  std::string text() const {
    return index < 0 ? name : std::string(name) + "[" + std::to_string(index) + "]";
  }
};

// A JavaScript exception is pending. Every function that can leave one returns false then.
bool fail(const Napi::Error &error) {
  error.ThrowAsJavaScriptException();
  return false;
}
bool failType(Env env, const std::string &message) { return fail(Napi::TypeError::New(env, message)); }
bool failRange(Env env, const std::string &message) { return fail(Napi::RangeError::New(env, message)); }

bool readInteger(Value value, Label label, unsigned low, unsigned high, unsigned *result) {
  const Env env = value.Env();
  if (!value.IsNumber()) return failType(env, label.text() + " must be a number");
  const double number = value.As<Napi::Number>().DoubleValue();
  // Written so that NaN is refused.
  if (!(number >= low && number <= high) || number != static_cast<unsigned>(number))
    return failRange(env, label.text() + " must be an integer from " + std::to_string(low) + " to " +
                              std::to_string(high));
  *result = static_cast<unsigned>(number);
  return true;
}

bool readParams(Value k_value, Value n_value, unsigned *k, unsigned *n) {
  if (!readInteger(k_value, {"k"}, 1, FEC_SHARES_MAX, k)) return false;
  if (!readInteger(n_value, {"n"}, 1, FEC_SHARES_MAX, n)) return false;
  return *k <= *n || failRange(k_value.Env(), "k must not exceed n");
}

// Copies a caller's array into a fresh one. Reading elements and properties may run the caller's code
// (getters, proxies), so all of it is done before any pointer is taken; the copy also keeps every
// element alive, whatever becomes of the original.
bool copyArray(Value value, const char *name, uint32_t length_max, Napi::Array *copy) {
  const Env env = value.Env();
  if (!value.IsArray()) return failType(env, std::string(name) + " must be an array");
  const Napi::Array array = value.As<Napi::Array>();
  const uint32_t length = array.Length();
  if (length > length_max)
    return failRange(env, std::string(name) + " must have at most " + std::to_string(length_max) + " elements");
  *copy = Napi::Array::New(env, length);
  for (uint32_t i = 0; i < length; i++) {
    const Value element = array.Get(i);
    if (env.IsExceptionPending()) return false;
    copy->Set(i, element);
  }
  return true;
}

// Whether this is a Uint8Array whose memory stays where it is: may run the caller's code.
bool checkBytes(Value value, Label label) {
  const Env env = value.Env();
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array)
    return failType(env, label.text() + " must be a Uint8Array");
  const Value buffer = value.As<Napi::TypedArray>().ArrayBuffer();
  if (!buffer.IsArrayBuffer()) return failType(env, label.text() + " must not be backed by a SharedArrayBuffer");
  const Value resizable = buffer.As<Napi::Object>().Get("resizable");
  if (env.IsExceptionPending()) return false;
  if (resizable.IsBoolean() && resizable.As<Napi::Boolean>().Value())
    return failType(env, label.text() + " must not be backed by a resizable ArrayBuffer");
  return true;
}

bool checkBytesArray(const Napi::Array &array, const char *name) {
  for (uint32_t i = 0; i < array.Length(); i++)
    if (!checkBytes(array.Get(i), {name, i})) return false;
  return true;
}

// The memory of what checkBytes has passed. Runs no JavaScript.
bool readSpan(Value value, Label label, Span *span) {
  const Napi::Uint8Array bytes = value.As<Napi::Uint8Array>();
  if (bytes.ArrayBuffer().IsDetached()) return failType(value.Env(), label.text() + " is detached");
  *span = Span{bytes.Data(), bytes.ByteLength()};
  return true;
}

bool readSpans(const Napi::Array &array, const char *name, std::vector<Span> *spans) {
  for (uint32_t i = 0; i < array.Length(); i++) {
    Span span;
    if (!readSpan(array.Get(i), {name, i}, &span)) return false;
    spans->push_back(span);
  }
  return true;
}

bool readShareNumbers(const Napi::Array &array, unsigned low, unsigned n, std::vector<uint8_t> *numbers) {
  const Env env = array.Env();
  bool seen[FEC_SHARES_MAX] = {};
  for (uint32_t i = 0; i < array.Length(); i++) {
    const Label label = {"shareNumbers", i};
    unsigned number;
    if (!readInteger(array.Get(i), label, low, n - 1, &number)) return false;
    if (seen[number]) return failRange(env, label.text() + " repeats " + std::to_string(number));
    seen[number] = true;
    numbers->push_back(static_cast<uint8_t>(number));
  }
  return true;
}

// Uninitialized memory, seen from JavaScript as a plain Uint8Array. The work fills it before anyone can look.
bool newBytes(Env env, size_t size, Value *view, uint8_t **data) {
  void *memory = nullptr;
  napi_value buffer, array_buffer, result;
  if (napi_create_buffer(env, size, &memory, &buffer) != napi_ok ||
      napi_get_typedarray_info(env, buffer, nullptr, nullptr, nullptr, &array_buffer, nullptr) != napi_ok ||
      napi_create_typedarray(env, napi_uint8_array, size, array_buffer, 0, &result) != napi_ok)
    return env.IsExceptionPending() ? false : failRange(env, "out of memory for the result");
  *view = Value(env, result);
  *data = static_cast<uint8_t *>(memory);
  return true;
}

// Work on a thread that ends in a promise for `results`. Everything that the thread reads or writes is in
// `kept` or `results`, and so stays alive until the promise settles.
class Work : public Napi::AsyncWorker {
 public:
  Work(Napi::Env env, Napi::Array kept, Napi::Array results)
      : AsyncWorker(env, "lafs"),
        deferred_(Napi::Promise::Deferred::New(env)),
        kept_(Napi::Persistent(kept.As<Napi::Object>())),
        results_(Napi::Persistent(results.As<Napi::Object>())) {}

  // The worker frees itself when it is done.
  Value start() {
    const Value promise = deferred_.Promise();
    Queue();
    return promise;
  }

  void OnOK() override { deferred_.Resolve(results_.Value()); }
  void OnError(const Napi::Error &error) override { deferred_.Reject(error.Value()); }

 protected:
  Napi::Promise::Deferred deferred_;

 private:
  Napi::ObjectReference kept_, results_;
};

class CombineWork : public Work {
 public:
  using Work::Work;
  std::vector<uint8_t> have, want;
  std::vector<const uint8_t *> in;
  std::vector<uint8_t *> out;
  size_t size = 0;

  void Execute() override {
    const unsigned k = static_cast<unsigned>(have.size()), rows = static_cast<unsigned>(want.size());
    const std::unique_ptr<uint8_t[]> matrix(new uint8_t[k * rows]);
    fec_matrix(k, have.data(), rows, want.data(), matrix.get());
    fec_combine(k, rows, matrix.get(), in.data(), out.data(), size);
  }
};

// Fresh memory for `count` results of `size` bytes.
bool newResults(Env env, size_t count, size_t size, Napi::Array *results, std::vector<uint8_t *> *out) {
  *results = Napi::Array::New(env, count);
  for (uint32_t i = 0; i < count; i++) {
    Value view;
    uint8_t *data;
    if (!newBytes(env, size, &view, &data)) return false;
    results->Set(i, view);
    out->push_back(data);
  }
  return true;
}

bool overlap(const Span &a, const Span &b) {
  return a.data < b.data + b.size && b.data < a.data + a.size;
}

// The caller's memory for the results, which checkBytesArray has passed.
bool readOutputs(const Napi::Array &outputs, size_t count, const std::vector<Span> &blocks,
                 std::vector<uint8_t *> *out) {
  const Env env = outputs.Env();
  std::vector<Span> spans;
  if (outputs.Length() != count)
    return failRange(env, "outputs must be one a block to make: expected " + std::to_string(count) +
                              ", got " + std::to_string(outputs.Length()));
  if (!readSpans(outputs, "outputs", &spans)) return false;
  for (size_t i = 0; i < count; i++) {
    if (spans[i].size != blocks[0].size) return failRange(env, "outputs must be as long as the blocks");
    for (const Span &block : blocks)
      if (overlap(spans[i], block)) return failRange(env, "outputs must not overlap the blocks");
    for (size_t j = 0; j < i; j++)
      if (overlap(spans[i], spans[j])) return failRange(env, "outputs must not overlap one another");
    out->push_back(const_cast<uint8_t *>(spans[i].data));
  }
  return true;
}

bool checkBlocks(Env env, const std::vector<Span> &spans) {
  if (spans[0].size == 0) return failRange(env, "blocks must not be empty");
  for (const Span &span : spans)
    if (span.size != spans[0].size) return failRange(env, "blocks must all have the same length");
  return true;
}

struct Blocks {
  unsigned k, n;
  Napi::Array blocks, share_numbers;
  Napi::Array outputs;
  bool outputs_given;
};

// What encoding and decoding check alike, up to the numbers and the memory.
bool readBlocks(const CallbackInfo &info, Blocks *b) {
  const Env env = info.Env();
  if (!readParams(info[0], info[1], &b->k, &b->n)) return false;
  if (!copyArray(info[2], "blocks", FEC_SHARES_MAX, &b->blocks)) return false;
  if (!copyArray(info[3], "shareNumbers", FEC_SHARES_MAX, &b->share_numbers)) return false;
  if (b->blocks.Length() != b->k)
    return failRange(env, "blocks must be k blocks: expected " + std::to_string(b->k) + ", got " +
                              std::to_string(b->blocks.Length()));
  b->outputs_given = info.Length() > 4 && !info[4].IsUndefined();
  if (b->outputs_given && (!copyArray(info[4], "outputs", FEC_SHARES_MAX, &b->outputs) ||
                           !checkBytesArray(b->outputs, "outputs")))
    return false;
  return checkBytesArray(b->blocks, "blocks");
}

// Makes the blocks `want` out of the blocks given, whose numbers are `have`.
Value combine(Env env, Blocks &b, std::vector<uint8_t> have, std::vector<uint8_t> want) {
  std::vector<Span> spans;
  std::vector<uint8_t *> out;
  if (!readSpans(b.blocks, "blocks", &spans) || !checkBlocks(env, spans)) return Value();
  if (b.outputs_given ? !readOutputs(b.outputs, want.size(), spans, &out)
                      : !newResults(env, want.size(), spans[0].size, &b.outputs, &out))
    return Value();
  CombineWork *const work = new CombineWork(env, b.blocks, b.outputs);
  work->size = spans[0].size;
  for (const Span &span : spans) work->in.push_back(span.data);
  work->out = std::move(out);
  work->have = std::move(have);
  work->want = std::move(want);
  return work->start();
}

Value fecEncode(const CallbackInfo &info) {
  const Env env = info.Env();
  Blocks b;
  std::vector<uint8_t> have, want;
  if (!readBlocks(info, &b)) return Value();
  if (b.share_numbers.Length() > 0 && b.k == b.n) {
    failRange(env, "shareNumbers must be empty where k is n");
    return Value();
  }
  if (!readShareNumbers(b.share_numbers, b.k, b.n, &want)) return Value();
  for (unsigned i = 0; i < b.k; i++) have.push_back(static_cast<uint8_t>(i));
  return combine(env, b, std::move(have), std::move(want));
}

Value fecDecode(const CallbackInfo &info) {
  const Env env = info.Env();
  Blocks b;
  std::vector<uint8_t> have, want;
  if (!readBlocks(info, &b)) return Value();
  if (b.share_numbers.Length() != b.k) {
    failRange(env, "shareNumbers must be k numbers: expected " + std::to_string(b.k) + ", got " +
                       std::to_string(b.share_numbers.Length()));
    return Value();
  }
  if (!readShareNumbers(b.share_numbers, 0, b.n, &have)) return Value();
  bool given[FEC_SHARES_MAX] = {};
  for (const uint8_t number : have) given[number] = true;
  for (unsigned i = 0; i < b.k; i++)
    if (!given[i]) want.push_back(static_cast<uint8_t>(i));
  return combine(env, b, std::move(have), std::move(want));
}

// More than any hash tree's level has; bounds what a sparse array can make the copy cost.
constexpr uint32_t messages_max = 1 << 24;

class HashWork : public Work {
 public:
  using Work::Work;
  Span prefix = {nullptr, 0};
  std::vector<const uint8_t *> messages;
  std::vector<size_t> sizes;
  uint8_t *digests = nullptr;

  void Execute() override {
    sha256d_many(prefix.data, prefix.size, messages.size(), messages.data(), sizes.data(), digests);
  }
};

Value sha256dMany(const CallbackInfo &info) {
  const Env env = info.Env();
  Napi::Array messages;
  Span prefix;
  std::vector<Span> spans;
  if (!copyArray(info[1], "messages", messages_max, &messages)) return Value();
  if (!checkBytes(info[0], {"prefix"}) || !checkBytesArray(messages, "messages")) return Value();
  if (!readSpan(info[0], {"prefix"}, &prefix) || !readSpans(messages, "messages", &spans)) return Value();

  const uint32_t count = messages.Length();
  const Napi::Array results = Napi::Array::New(env, count);
  messages.Set(count, info[0]);
  std::unique_ptr<HashWork> work(new HashWork(env, messages, results));
  if (count > 0) {
    // The digests share one allocation.
    Value all;
    if (!newBytes(env, size_t{32} * count, &all, &work->digests)) return Value();
    const Napi::ArrayBuffer memory = all.As<Napi::Uint8Array>().ArrayBuffer();
    for (uint32_t i = 0; i < count; i++)
      results.Set(i, Napi::Uint8Array::New(env, 32, memory, size_t{32} * i));
  }
  work->prefix = prefix;
  for (const Span &span : spans) {
    work->messages.push_back(span.data);
    work->sizes.push_back(span.size);
  }
  return work.release()->start();
}

// Ends in a promise for undefined: the result is where the data was.
class AesWork : public Work {
 public:
  AesWork(Napi::Env env, Napi::Array kept) : Work(env, kept, kept) {}
  ~AesWork() override { aes_wipe(key, sizeof key); }
  uint8_t key[AES_BLOCK_SIZE], counter[AES_BLOCK_SIZE];
  size_t skip = 0;
  uint8_t *data = nullptr;
  size_t size = 0;

  void Execute() override { aes_ctr(key, counter, skip, data, size); }
  void OnOK() override { deferred_.Resolve(Env().Undefined()); }
};

// Reads 16 bytes, a block, of what checkBytes has passed.
bool readBlock(Value value, Label label, Span *block) {
  if (!readSpan(value, label, block)) return false;
  return block->size == AES_BLOCK_SIZE || failRange(value.Env(), label.text() + " must be 16 bytes");
}

Value aesCtr(const CallbackInfo &info) {
  const Env env = info.Env();
  unsigned skip;
  Span key, counter, data;
  if (!checkBytes(info[0], {"key"}) || !checkBytes(info[1], {"counterBlock"}) || !checkBytes(info[2], {"data"}) ||
      !readInteger(info[3], {"skip"}, 0, AES_BLOCK_SIZE - 1, &skip))
    return Value();
  if (!readBlock(info[0], {"key"}, &key) || !readBlock(info[1], {"counterBlock"}, &counter) ||
      !readSpan(info[2], {"data"}, &data))
    return Value();
  const Napi::Array kept = Napi::Array::New(env, 1);
  kept.Set(0u, info[2]);
  AesWork *const work = new AesWork(env, kept);
  std::memcpy(work->key, key.data, AES_BLOCK_SIZE);
  std::memcpy(work->counter, counter.data, AES_BLOCK_SIZE);
  work->skip = skip;
  work->data = const_cast<uint8_t *>(data.data);
  work->size = data.size;
  return work->start();
}

// The choice of kernels, for tests and benchmarks; it holds for the whole process.
struct KernelChoice {
  const char *name;
  const char *(*at)(unsigned);
  const char *(*current)(void);
  int (*select)(const char *);
};
const KernelChoice fec_choice = {"kernel", fec_kernel_name, fec_kernel, fec_select};
const KernelChoice hash_choice = {"hashKernel", sha256_kernel_name, sha256_kernel, sha256_select};
const KernelChoice aes_choice = {"aesKernel", aes_kernel_name, aes_kernel, aes_select};

template <const KernelChoice &choice>
Value kernel(const CallbackInfo &info) {
  const char *name = choice.current();
  return name == nullptr ? info.Env().Undefined() : Value(Napi::String::New(info.Env(), name));
}

template <const KernelChoice &choice>
Value kernels(const CallbackInfo &info) {
  const Napi::Array names = Napi::Array::New(info.Env());
  for (unsigned i = 0; choice.at(i) != nullptr; i++) names.Set(i, Napi::String::New(info.Env(), choice.at(i)));
  return names;
}

template <const KernelChoice &choice>
void setKernel(const CallbackInfo &info) {
  const Env env = info.Env();
  if (!info[0].IsString()) {
    failType(env, std::string(choice.name) + " must be a string");
    return;
  }
  const std::string name = info[0].As<Napi::String>().Utf8Value();
  if (!choice.select(name.c_str()))
    failRange(env, std::string(choice.name) + " must be one that runs here, got \"" + name + "\"");
}

Napi::Object init(Env env, Napi::Object exports) {
  static std::once_flag once;
  std::call_once(once, [] {
    fec_init();
    sha256_init();
    aes_init();
  });
  exports.DefineProperties({
      Napi::PropertyDescriptor::Accessor<kernel<fec_choice>>("kernel", napi_enumerable),
      Napi::PropertyDescriptor::Accessor<kernels<fec_choice>>("kernels", napi_enumerable),
      Napi::PropertyDescriptor::Accessor<kernel<hash_choice>>("hashKernel", napi_enumerable),
      Napi::PropertyDescriptor::Accessor<kernels<hash_choice>>("hashKernels", napi_enumerable),
      Napi::PropertyDescriptor::Accessor<kernel<aes_choice>>("aesKernel", napi_enumerable),
      Napi::PropertyDescriptor::Accessor<kernels<aes_choice>>("aesKernels", napi_enumerable),
  });
  exports.Set("setKernel", Napi::Function::New<setKernel<fec_choice>>(env, "setKernel"));
  exports.Set("setHashKernel", Napi::Function::New<setKernel<hash_choice>>(env, "setHashKernel"));
  exports.Set("setAesKernel", Napi::Function::New<setKernel<aes_choice>>(env, "setAesKernel"));
  exports.Set("fecEncode", Napi::Function::New<fecEncode>(env, "fecEncode"));
  exports.Set("fecDecode", Napi::Function::New<fecDecode>(env, "fecDecode"));
  exports.Set("sha256dMany", Napi::Function::New<sha256dMany>(env, "sha256dMany"));
  if (aes_kernel() != nullptr) exports.Set("aesCtr", Napi::Function::New<aesCtr>(env, "aesCtr"));
  return exports;
}

}  // namespace

NODE_API_MODULE(lafs_native, init)
