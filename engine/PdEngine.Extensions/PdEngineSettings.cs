namespace PdEngine;

/// <summary>
/// An engine as configuration describes it; see <see cref="EngineOptions"/> for what each field means and for
/// the default of what is null.
/// </summary>
public sealed class PdEngineSettings
{
    /// <summary>A Hugging Face folder or a GGUF file; the one field that must be given.</summary>
    public string? ModelPath { get; set; }

    /// <summary>What computes.</summary>
    public BackendKind Backend { get; set; } = BackendKind.Auto;

    /// <summary>GPUs of the plan's devices, for example <c>cuda:0</c>.</summary>
    public string? Devices { get; set; }

    /// <summary>How the weights of products are held.</summary>
    public Quantization Quantization { get; set; }

    /// <summary>Threads that compute.</summary>
    public int? ThreadCount { get; set; }

    /// <summary>Positions per KV block.</summary>
    public int? PageSize { get; set; }

    /// <summary>Share of free memory that weights and KV cache may take.</summary>
    public float? MemFractionStatic { get; set; }

    /// <summary>Most tokens the KV cache holds.</summary>
    public int? MaxTotalTokens { get; set; }

    /// <summary>Most sequences at once.</summary>
    public int? MaxRunningRequests { get; set; }

    /// <summary>Most requests that wait.</summary>
    public int? MaxQueuedRequests { get; set; }

    /// <summary>Prompt tokens computed in one step.</summary>
    public int? ChunkedPrefillSize { get; set; }

    /// <summary>Longest sequence in tokens.</summary>
    public int? ContextLength { get; set; }

    /// <summary>Neither reads nor fills the prefix cache.</summary>
    public bool DisableRadixCache { get; set; }

    /// <summary>Seed of requests that bring none.</summary>
    public ulong Seed { get; set; }

    /// <summary>
    /// What is changed of the options at last, for what no configuration holds, for example a topology or
    /// models in memory.
    /// </summary>
    public Func<EngineOptions, EngineOptions>? Configure { get; set; }

    internal EngineOptions ToOptions()
    {
        EngineOptions defaults = new() { ModelPath = ModelPath ?? "" };
        EngineOptions options = defaults with
        {
            Backend = Backend,
            Devices = Devices,
            Quantization = Quantization,
            ThreadCount = ThreadCount,
            PageSize = PageSize ?? defaults.PageSize,
            MemFractionStatic = MemFractionStatic ?? defaults.MemFractionStatic,
            MaxTotalTokens = MaxTotalTokens,
            MaxRunningRequests = MaxRunningRequests ?? defaults.MaxRunningRequests,
            MaxQueuedRequests = MaxQueuedRequests ?? defaults.MaxQueuedRequests,
            ChunkedPrefillSize = ChunkedPrefillSize ?? defaults.ChunkedPrefillSize,
            ContextLength = ContextLength,
            DisableRadixCache = DisableRadixCache,
            Seed = Seed,
        };
        return Configure?.Invoke(options) ?? options;
    }
}
