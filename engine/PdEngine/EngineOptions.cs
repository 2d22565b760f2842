namespace PdEngine;

/// <summary>How an engine is started. Every field has a default except the model.</summary>
public sealed record EngineOptions
{
    /// <summary>
    /// A Hugging Face folder or a GGUF file. (<c>random:SHAPE</c> is made by the <c>pdengine</c> command
    /// alone.)
    /// </summary>
    public required string ModelPath { get; init; }

    /// <summary>Models held in memory: a model path that is the name of one means it.</summary>
    public IReadOnlyList<MemoryFolder> MemoryFolders { get; init; } = [];

    /// <summary>
    /// The plan of services, groups and devices; absent: one regular worker on all cores. Where a group or
    /// a service sets something, it overrides the field of the same name here.
    /// </summary>
    public Topology? Topology { get; init; }

    /// <summary>
    /// Services to start, by name; empty: the first that takes weight updates. The first named is the one
    /// that <see cref="Engine"/>'s own methods serve.
    /// </summary>
    public IReadOnlyList<string> Services { get; init; } = [];

    /// <summary>Whether prompts are computed on prefill workers, where the plan has them.</summary>
    public DisaggregateMode Disaggregate { get; init; } = DisaggregateMode.Auto;

    /// <summary>Which CPU devices share one KV memory.</summary>
    public KvDomainKind KvDomain { get; init; } = KvDomainKind.Host;

    /// <summary>Cores of an idle worker help the ops that others are running.</summary>
    public bool LendsCores { get; init; } = true;

    /// <summary>What computes.</summary>
    public BackendKind Backend { get; init; } = BackendKind.Auto;

    /// <summary>
    /// GPUs of the plan's devices, in order, for example <c>cuda:0,cuda:0</c>: a GPU that is named twice is
    /// shared. Absent: as many as there are, in order.
    /// </summary>
    public string? Devices { get; init; }

    /// <summary>File of the CUDA driver; absent: the system's own.</summary>
    public string? CudaDriver { get; init; }

    /// <summary>Has images of the kernels that come first; absent: beside the program.</summary>
    internal string? CudaImages { get; init; }

    /// <summary>
    /// File of NCCL, with which ranks of a worker gather whose GPUs do not reach each other's memory; absent:
    /// the system's own.
    /// </summary>
    public string? NcclLibrary { get; init; }

    /// <summary>
    /// Share of a GPU's multiprocessors that prefill workers get where decode workers share the GPU, in
    /// (0, 1); where the driver cannot split them, and absent, all take all.
    /// </summary>
    public float? PrefillSmFraction { get; init; }

    /// <summary>
    /// What computes matrix products on GPUs; all but <see cref="GemmKind.Own"/> gives up that prefill and
    /// decode agree to the bit, and launches no graphs.
    /// </summary>
    public GemmKind Gemm { get; init; }

    /// <summary>File of cuBLASLt, where <see cref="Gemm"/> asks for it; absent: the system's own.</summary>
    public string? CublasLibrary { get; init; }

    /// <summary>On GPUs, decode batches are launched kernel by kernel; changes no bit.</summary>
    public bool DisableCudaGraph { get; init; }

    /// <summary>
    /// On GPUs, a step is started when the results of the one before are there; changes no bit.
    /// </summary>
    public bool DisableOverlapSchedule { get; init; }

    /// <summary>
    /// Instruction set of the CPU backend; <see cref="CpuIsa.Auto"/> takes the best this CPU has.
    /// </summary>
    public CpuIsa Isa { get; init; } = CpuIsa.Auto;

    /// <summary>How the weights of products are held.</summary>
    public Quantization Quantization { get; init; }

    /// <summary>Threads, one a core, that compute; absent: one for every core the process may use.</summary>
    public int? ThreadCount { get; init; }

    /// <summary>Positions per KV block, a power of two from 1 to 256.</summary>
    public int PageSize { get; init; } = 64;

    /// <summary>Share of free host memory that weights and KV cache may take, in (0, 1].</summary>
    public float MemFractionStatic { get; init; } = 0.8f;

    /// <summary>Most tokens the KV cache holds; absent: a quarter of free memory.</summary>
    public int? MaxTotalTokens { get; init; }

    /// <summary>Most sequences that hold blocks at once.</summary>
    public int MaxRunningRequests { get; init; } = 256;

    /// <summary>Most requests that wait; one more is refused.</summary>
    public int MaxQueuedRequests { get; init; } = 65536;

    /// <summary>
    /// Prompt tokens computed in one step, over all sequences; longer prompts go in chunks. -1 computes every
    /// prompt whole.
    /// </summary>
    public int ChunkedPrefillSize { get; init; } = 512;

    /// <summary>Longest sequence in tokens; absent: the checkpoint's own limit.</summary>
    public int? ContextLength { get; init; }

    /// <summary>Neither reads nor fills the prefix cache.</summary>
    public bool DisableRadixCache { get; init; }

    /// <summary>Which waiting request goes first.</summary>
    public SchedulePolicy SchedulePolicy { get; init; } = SchedulePolicy.Fcfs;

    /// <summary>Seed of requests that bring none.</summary>
    public ulong Seed { get; init; }

    /// <summary>Clock of all timings.</summary>
    public TimeProvider Clock { get; init; } = TimeProvider.System;

    /// <summary>Hears how far loading is; called on the loading thread.</summary>
    public IProgress<LoadProgress>? Progress { get; init; }
}
