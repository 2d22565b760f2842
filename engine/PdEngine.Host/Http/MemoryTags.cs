using System.Text.Json;

namespace PdEngine.Host;

/// <summary>SGLang's names of memory.</summary>
internal static class MemoryTags
{
    public const string Weights = "weights";
    public const string KvCache = "kv_cache";
    private const string Graphs = "cuda_graph";
    private static readonly string[] All = [Weights, KvCache, Graphs];

    /// <summary>Those of a body; absent or null is all.</summary>
    /// <exception cref="HttpRefusal">There is no such tag.</exception>
    public static IReadOnlySet<string> Read(JsonElement body)
    {
        if (!body.TryGetProperty("tags", out JsonElement tags) || tags.ValueKind == JsonValueKind.Null)
            return All.ToHashSet();
        HashSet<string> read = [.. Fields.Strings(body, "tags")];
        string? unknown = read.FirstOrDefault(tag => !All.Contains(tag));
        return unknown is null ? read : throw HttpRefusal.Bad(
            "tags", $"'{Fields.Short(unknown)}' is none of {string.Join(", ", All)}");
    }

    public static bool IsMemory(string tag) => tag != Graphs;
}
