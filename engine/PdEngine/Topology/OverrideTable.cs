using System.Collections.Frozen;
using System.Numerics;

namespace PdEngine;

/// <summary>Every override that SGLang's server arguments know, and what this engine makes of each.</summary>
internal static class OverrideTable
{
    private static readonly (string Words, Func<double, bool> Holds) Positive =
        ("from 1 to 2147483647", value => value is >= 1 and <= int.MaxValue);

    private static readonly OverrideRule[] ActedOn =
    [
        new() { Key = "mem_fraction_static", Kind = OverrideKind.Float, Harmless = ["null"], IsActedOn = true,
            Range = ("above 0 and at most 1", value => value is > 0 and <= 1) },
        Count("max_total_tokens"), Count("max_running_requests"), Count("max_queued_requests"),
        Count("prefill_max_requests"), Count("context_length"), Count("max_prefill_tokens", "16384"),
        Count("tp_size", "1"), Count("stream_interval", "1"),
        Count("chunked_prefill_size") with
        {
            Range = ("-1 (whole prompts) or from 1 to 2147483647", value => value is -1
                or (>= 1 and <= int.MaxValue)),
        },
        Count("page_size", "1") with
        {
            Range = ("a power of two from 1 to 256",
                value => value is >= 1 and <= 256 && BitOperations.IsPow2((int)value)),
        },
        Count("num_reserved_decode_tokens", "512") with
        {
            Range = ("from 0 to 2147483647", value => value is >= 0 and <= int.MaxValue),
        },
        new() { Key = "disable_radix_cache", Kind = OverrideKind.Bool, Harmless = ["false"],
            IsActedOn = true },
        new() { Key = "enable_mixed_chunk", Kind = OverrideKind.Bool, Harmless = ["false"],
            IsActedOn = true },
        new() { Key = "radix_eviction_policy", Kind = OverrideKind.Text, Harmless = ["lru"], IsActedOn = true,
            Choices = ["lru", "lfu", "slru", "priority"], Supported = ["lru"] },
        new() { Key = "schedule_policy", Kind = OverrideKind.Text, Harmless = ["fcfs"], IsActedOn = true,
            Choices = ["fcfs", "lpm", "random", "dfs-weight", "lof", "priority", "routing-key"],
            Supported = ["fcfs", "lpm", "priority", "routing-key"] },
        new() { Key = "retraction_policy", Kind = OverrideKind.Text, Harmless = ["length"], IsActedOn = true,
            Choices = ["length", "priority"] },
        new() { Key = "quantization", Kind = OverrideKind.Text, Harmless = ["null"], IsActedOn = true,
            Supported = ["w8a8_int8"], ChangesResults = true },
        new() { Key = "schedule_conservativeness", Kind = OverrideKind.Float, Harmless = ["1"],
            IsActedOn = true,
            Range = ("above 0 and at most 1000", value => value is > 0 and <= 1000) },
        new() { Key = "watchdog_timeout", Kind = OverrideKind.Float, Harmless = ["300"], IsActedOn = true,
            Range = ("above 0 and at most 1000000 seconds", value => value is > 0 and <= 1_000_000) },
        new() { Key = "weight_version", Kind = OverrideKind.Text, Harmless = ["default"], IsActedOn = true },
        new() { Key = "model_path", Kind = OverrideKind.Text, Harmless = ["null"], IsActedOn = true },
        new() { Key = "disaggregation_mode", Kind = OverrideKind.Text, Harmless = ["null"], IsActedOn = true,
            Choices = ["null", "prefill", "decode"] },
    ];

    private static readonly FrozenDictionary<string, OverrideRule> Rules = ActedOn
        .Concat(OverrideCatalogue.Rules()).ToFrozenDictionary(rule => rule.Key, StringComparer.Ordinal);

    private static readonly FrozenDictionary<string, string> LongNames = new Dictionary<string, string>
    {
        ["tensor_parallel_size"] = "tp_size",
        ["tp"] = "tp_size",
        ["pipeline_parallel_size"] = "pp_size",
        ["data_parallel_size"] = "dp_size",
        ["dp"] = "dp_size",
        ["expert_parallel_size"] = "ep_size",
        ["model"] = "model_path",
        ["mem_fraction"] = "mem_fraction_static",
    }.ToFrozenDictionary(StringComparer.Ordinal);

    /// <summary>The long names that SGLang's command line has beside a field's own.</summary>
    public static IEnumerable<string> LongNamesOf(string key) => LongNames
        .Where(entry => entry.Value == key && entry.Key.EndsWith("_parallel_size", StringComparison.Ordinal))
        .Select(entry => entry.Key);

    public static IEnumerable<OverrideRule> All => Rules.Values.OrderBy(rule => rule.Key,
        StringComparer.Ordinal);

    public static OverrideRule? Find(string key) => Rules.GetValueOrDefault(key);

    /// <summary>The known name that an unknown one was meant to be, or null.</summary>
    /// <param name="key">The unknown one.</param>
    /// <param name="isTaken">Which names may be proposed; absent: all.</param>
    public static string? Nearest(string key, Func<OverrideRule, bool>? isTaken = null) =>
        LongNames.TryGetValue(key, out string? name)
            ? name
            : NearestName.Of(key, All.Where(isTaken ?? (_ => true)).Select(rule => rule.Key),
                within: Math.Clamp(key.Length / 3, 1, 3));

    private static OverrideRule Count(string key, string byDefault = "null") => new()
    {
        Key = key, Kind = OverrideKind.Int, Harmless = [byDefault], IsActedOn = true, Range = Positive,
    };
}
