using System.Text.Json;

namespace PdEngine;

/// <summary>Folders that hold changes in formats of others, which are not read.</summary>
internal static class DeltaFolders
{
    private const string VersionPrefix = "weight_v";

    // What an index of theirs says of its files; one of whole weights has total_size at most.
    private static readonly string[] DeltaFields =
        ["delta_encoding", "compression_format", "base_version"];

    private static readonly string[] WeightEndings = [".safetensors", ".bin", ".pt"];

    /// <exception cref="WeightUpdateException">It is one.</exception>
    public static void Refuse(string folder)
    {
        if (!Directory.Exists(folder))
            throw new CheckpointException(folder, "there is no such folder");
        if (DeltaPart(folder) is { } part)
            throw Refusal($"'{Shown.Line(part)}'");
        if (!HfFolder.HasWeights(folder))
            RefuseVersions(folder);
    }

    private static WeightUpdateException Refusal(string what) => new(
        $"{what} looks like an on-disk delta of slime (update-weight-mode delta) or of Miles "
        + "(disk-delta); neither format is read. Push whole tensors from a folder, or changed elements "
        + "with AddDelta");

    /// <summary>A folder of folders, one for each version.</summary>
    private static void RefuseVersions(string folder)
    {
        string[] versions = [.. Directory.EnumerateDirectories(folder, VersionPrefix + "*")
            .Where(IsVersion).Order(StringComparer.Ordinal)];
        if (versions.Length == 0)
            return;
        if (Array.Find(versions, version => DeltaPart(version) is not null) is { } delta)
            throw Refusal($"'{Shown.Line(folder)}' holds {versions.Length} versions; {Name(delta)} in it");
        throw new WeightUpdateException(
            $"'{Shown.Line(folder)}' holds no weights of its own but {versions.Length} versions, as slime "
            + $"and Miles write them, the last {Name(versions[^1])}; give the folder of one that is whole");

        static string Name(string path) => Shown.Line(Path.GetFileName(path));
    }

    private static bool IsVersion(string path)
    {
        ReadOnlySpan<char> number = Path.GetFileName(path.AsSpan())[VersionPrefix.Length..];
        return number.Length > 0 && number.IndexOfAnyExceptInRange('0', '9') < 0;
    }

    /// <summary>The file of a folder that makes it a delta; null where none does.</summary>
    private static string? DeltaPart(string folder)
    {
        string index = Path.Combine(folder, HfFolder.IndexFile);
        if (File.Exists(index) && IsDeltaIndex(index))
            return index;
        // Beside whole weights a name says nothing.
        return HfFolder.HasWeights(folder)
            ? null
            : Directory.EnumerateFiles(folder).FirstOrDefault(IsDeltaName);
    }

    private static bool IsDeltaName(string path)
    {
        string name = Path.GetFileName(path);
        return name.EndsWith(".zst", StringComparison.OrdinalIgnoreCase)
            || (name.Contains("delta", StringComparison.OrdinalIgnoreCase)
                && WeightEndings.Any(end => name.EndsWith(end, StringComparison.OrdinalIgnoreCase)));
    }

    private static bool IsDeltaIndex(string path)
    {
        try
        {
            using JsonDocument index = JsonDocument.Parse(File.ReadAllBytes(path));
            return index.RootElement.ValueKind == JsonValueKind.Object
                && index.RootElement.TryGetProperty("metadata", out JsonElement metadata)
                && metadata.ValueKind == JsonValueKind.Object
                && DeltaFields.Any(field => metadata.TryGetProperty(field, out JsonElement _));
        }
        catch (JsonException)
        {
            // Whoever reads the weights says what is wrong with it.
            return false;
        }
    }
}
