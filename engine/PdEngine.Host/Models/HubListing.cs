using System.Text.Json;

namespace PdEngine.Host;

/// <summary>What a hub says of a revision of a repository.</summary>
/// <param name="Commit">What the revision's name stands for now.</param>
/// <param name="Files">Every file.</param>
internal sealed record HubListing(string Commit, IReadOnlyList<HubFile> Files)
{
    private const int MostFiles = 100_000;
    private const int CommitLetters = 40;
    private const int Sha256Letters = 64;

    /// <exception cref="IOException">It is no listing, or names what it must not.</exception>
    public static HubListing Parse(ReadOnlyMemory<byte> json)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(json);
            JsonElement root = document.RootElement;
            string commit = root.GetProperty("sha").GetString() ?? "";
            if (!IsHash(commit, CommitLetters))
                throw Fault($"the commit '{Shown.Line(commit)}' is none");
            JsonElement siblings = root.GetProperty("siblings");
            if (siblings.GetArrayLength() > MostFiles)
                throw Fault($"it has {siblings.GetArrayLength()} files; at most {MostFiles} are read");
            List<HubFile> files = [.. siblings.EnumerateArray().Select(Read)];
            string? twice = files.GroupBy(file => file.Name, StringComparer.OrdinalIgnoreCase)
                .FirstOrDefault(same => same.Count() > 1)?.Key;
            return twice is null ? new(commit, files) : throw Fault($"it names '{Shown.Line(twice)}' twice");
        }
        catch (Exception fault) when (fault
            is JsonException or InvalidOperationException or KeyNotFoundException or FormatException)
        {
            throw new IOException(
                $"the hub's listing cannot be read: {Shown.Line(fault.Message, 200)}", fault);
        }
    }

    private static HubFile Read(JsonElement sibling)
    {
        string name = sibling.GetProperty("rfilename").GetString() ?? "";
        if (!HubFile.IsInside(name))
        {
            throw Fault(
                $"it names a file '{Shown.Line(name)}', which would leave the folder or hides letters");
        }
        string? sha256 = null, blob = null;
        if (sibling.TryGetProperty("lfs", out JsonElement lfs) && lfs.ValueKind == JsonValueKind.Object)
            sha256 = Hash(lfs, "sha256", Sha256Letters) ?? throw Fault($"'{name}' has no sha256");
        else
            blob = Hash(sibling, "blobId", CommitLetters);
        long bytes = sibling.TryGetProperty("size", out JsonElement size) ? size.GetInt64() : -1;
        return bytes >= 0 ? new(name, bytes, sha256, blob) : throw Fault($"'{name}' has no size");
    }

    private static string? Hash(JsonElement of, string name, int letters)
    {
        string? hash = of.TryGetProperty(name, out JsonElement value) ? value.GetString() : null;
        return hash is null || IsHash(hash, letters) ? hash
            : throw Fault($"'{Shown.Line(hash)}' is no {name}");
    }

    private static bool IsHash(string text, int letters) =>
        text.Length == letters && text.All(char.IsAsciiHexDigitLower);

    private static IOException Fault(string problem) => new($"the hub's listing is refused: {problem}");
}
