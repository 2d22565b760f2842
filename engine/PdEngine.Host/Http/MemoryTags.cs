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
        // One bare word would be taken for all of them elsewhere, and a list of none asks for nothing.
        if (Fields.Element(body, "tags", JsonValueKind.Array) is { } list && list.GetArrayLength() == 0)
        {
            throw HttpRefusal.Bad("tags", $"the list is empty; leave it out for all, or name some of "
                + string.Join(", ", All));
        }
        HashSet<string> read = [.. Fields.Strings(body, "tags")];
        string? unknown = read.FirstOrDefault(tag => !All.Contains(tag));
        return unknown is null ? read : throw HttpRefusal.Bad(
            "tags", $"'{Fields.Short(unknown)}' is none of {string.Join(", ", All)}");
    }

    /// <summary>Some of them in words, always in the same order.</summary>
    public static string Show(IReadOnlySet<string> tags) => string.Join(", ", All.Where(tags.Contains));

    public static bool IsMemory(string tag) => tag != Graphs;
}
