namespace PdEngine;

/// <summary>A topology file as written: every value with its line, nothing resolved.</summary>
internal sealed record TopologyFile(
    string Name, int Line, IReadOnlyList<FileModel> Models, IReadOnlyList<TopologyWarning> Warnings)
{
    public static TopologyFile Load(string path)
    {
        try
        {
            using FileStream file = File.OpenRead(path);
            byte[] bytes = new byte[TopologyText.MaxBytes + 1];
            int count = file.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false);
            return Parse(path, bytes.AsSpan(0, count));
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or ArgumentException
            or NotSupportedException)
        {
            throw new TopologyException(path, null, $"the file cannot be read ({error.Message})", error);
        }
    }

    public static TopologyFile Parse(string name, ReadOnlySpan<byte> bytes) =>
        new TopologyReader(name).Read(TopologyText.Parse(name, bytes));
}

/// <summary>An entry of the top list, as written.</summary>
internal sealed record FileModel(
    string Name, int Line, string? ModelPath, bool? UpdateWeights, int? DevicesPerWorker,
        IReadOnlyList<FileGroup> Groups);

/// <summary>A server group, as written.</summary>
internal sealed record FileGroup(
    int? Line, WorkerType WorkerType, int DeviceCount, int? DevicesPerWorker,
        IReadOnlyList<FileOverride> Overrides);

/// <summary>One override, its name with underscores.</summary>
internal sealed record FileOverride(string Key, OverrideValue Value, int? Line);
