namespace PdEngine;

/// <summary>Refuses options that no engine can start with, in the spelling of SGLang's flags.</summary>
internal static class OptionChecks
{
    public static void ThrowIfInvalid(EngineOptions options)
    {
        Require(!string.IsNullOrWhiteSpace(options.ModelPath), "model_path", options.ModelPath, "a path");
        Require(options.PageSize is >= 1 and <= 256 && int.IsPow2(options.PageSize),
            "page_size", options.PageSize, "a power of two from 1 to 256");
        Require(options.MemFractionStatic is > 0 and <= 1,
            "mem_fraction_static", options.MemFractionStatic, "above 0 and at most 1");
        Require(options.PrefillSmFraction is null or (> 0 and < 1),
            "prefill_sm_fraction", options.PrefillSmFraction, "above 0 and below 1");
        Require(options.MaxTotalTokens is null or > 0, "max_total_tokens", options.MaxTotalTokens,
            "at least 1");
        Require(options.MaxRunningRequests is > 0 and <= 65536,
            "max_running_requests", options.MaxRunningRequests, "in 1 to 65536");
        Require(options.MaxQueuedRequests > 0, "max_queued_requests", options.MaxQueuedRequests,
            "at least 1");
        Require(options.ChunkedPrefillSize is -1 or (> 0 and <= 131072),
            "chunked_prefill_size", options.ChunkedPrefillSize, "in 1 to 131072, or -1 for whole prompts");
        Require(options.ContextLength is null or > 0, "context_length", options.ContextLength, "at least 1");
        Require(options.ThreadCount is null or (> 0 and <= 1024), "threads", options.ThreadCount,
            "in 1 to 1024");
    }

    public static void ThrowIfContextTooLong(EngineOptions options, ModelConfig config)
    {
        Require(options.ContextLength is null || options.ContextLength <= config.MaxPositions,
            "context_length", options.ContextLength, $"at most the checkpoint's own {config.MaxPositions}");
    }

    private static void Require<T>(bool holds, string option, T value, string allowed)
    {
        if (!holds)
            throw new OptionsException(option, $"{value} is not allowed; it must be {allowed}");
    }
}
