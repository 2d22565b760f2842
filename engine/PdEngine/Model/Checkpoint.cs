namespace PdEngine;

/// <summary>Opens checkpoints of every supported format. Only headers are read; nothing is copied.</summary>
internal static class Checkpoint
{
    /// <param name="path">
    /// A Hugging Face folder, a <c>.gguf</c> file, or a folder with no safetensors and exactly one
    /// <c>.gguf</c>.
    /// </param>
    /// <exception cref="CheckpointException">
    /// There is nothing to open, or what is there is malformed, incomplete or unsupported; says which and
    /// why.
    /// </exception>
    public static ICheckpoint Open(string path)
    {
        if (File.Exists(path))
            return OpenFile(path);
        if (!Directory.Exists(path))
            throw new CheckpointException(
                path, "there is no such file or folder; give a Hugging Face folder or a .gguf file");
        try
        {
            return OpenFolder(path);
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException)
        {
            throw new CheckpointException(path, $"cannot be read ({fault.Message})", fault);
        }
    }

    /// <summary>The folder in memory that is named so, else what is on disk there.</summary>
    /// <inheritdoc cref="Open(string)" path="/exception"/>
    public static ICheckpoint Open(string path, IReadOnlyList<MemoryFolder> inMemory) =>
        FindIn(inMemory, path) is { } folder ? HfFolder.Open(folder) : Open(path);

    public static MemoryFolder? FindIn(IReadOnlyList<MemoryFolder> inMemory, string path) =>
        inMemory.FirstOrDefault(folder => folder.Name == path);

    private static GgufCheckpoint OpenFile(string path)
    {
        if (path.EndsWith(".gguf", StringComparison.OrdinalIgnoreCase))
            return GgufCheckpoint.Open(path);
        throw new CheckpointException(
            path, "is a file of a kind that is not read; give a .gguf file, or the folder of a Hugging " +
                  "Face model");
    }

    private static ICheckpoint OpenFolder(string folder)
    {
        bool hasConfig = File.Exists(Path.Combine(folder, "config.json"));
        if (HfFolder.HasWeights(folder))
        {
            return hasConfig
                ? HfFolder.Open(folder)
                : throw new CheckpointException(folder, "holds safetensors but no config.json");
        }
        string[] ggufs = Directory.GetFiles(folder, "*.gguf");
        if (ggufs.Length == 1)
            return GgufCheckpoint.Open(ggufs[0]);
        if (ggufs.Length > 1)
            throw new CheckpointException(
                folder, $"holds {ggufs.Length} .gguf files; give the path of one");
        string wanted = $"{HfFolder.SingleFile}, {HfFolder.IndexFile} or a single .gguf file";
        throw new CheckpointException(folder, hasConfig
            ? $"holds config.json but no weights: none of {wanted} (pickled .bin weights are not read)"
            : $"holds no model: neither config.json with safetensors nor a single .gguf file");
    }
}
