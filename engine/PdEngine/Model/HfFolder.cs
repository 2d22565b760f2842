namespace PdEngine;

/// <summary>Finds and opens the files of a Hugging Face folder.</summary>
internal static class HfFolder
{
    public const string SingleFile = "model.safetensors";
    public const string IndexFile = "model.safetensors.index.json";

    private const string ConfigFile = "config.json";
    private const string GenerationFile = "generation_config.json";
    private const long MaxConfigBytes = 4 << 20;
    private const long MaxIndexBytes = 64 << 20;

    public static bool HasWeights(string folder) =>
        File.Exists(Path.Combine(folder, SingleFile)) || File.Exists(Path.Combine(folder, IndexFile));

    /// <exception cref="CheckpointException">A file is missing or refused.</exception>
    public static HfCheckpoint Open(string folder)
    {
        string configPath = Path.Combine(folder, ConfigFile);
        string generationPath = Path.Combine(folder, GenerationFile);
        byte[]? generation =
            File.Exists(generationPath) ? ReadWhole(generationPath, MaxConfigBytes) : null;
        ModelConfig config = HfConfig.Parse(
            configPath, ReadWhole(configPath, MaxConfigBytes), generationPath, generation);
        return new HfCheckpoint(folder, config, OpenFiles(folder));
    }

    /// <inheritdoc cref="Open(string)"/>
    public static HfCheckpoint Open(MemoryFolder folder)
    {
        ModelConfig config = HfConfig.Parse(
            folder.PathOf(ConfigFile), folder.Read(ConfigFile), folder.PathOf(GenerationFile),
            folder.Find(GenerationFile)?.ToArray());
        MemoryBytes weights = new(folder.Read(SingleFile));
        return new HfCheckpoint(
            folder.Name, config, [new SafetensorsFile(folder.PathOf(SingleFile), weights)]);
    }

    /// <summary>The single file, or those of the index.</summary>
    /// <exception cref="CheckpointException">There is none, or one is refused.</exception>
    public static IReadOnlyList<SafetensorsFile> OpenFiles(string folder)
    {
        if (!HasWeights(folder))
            throw new CheckpointException(folder, $"holds neither {SingleFile} nor {IndexFile}");
        string single = Path.Combine(folder, SingleFile);
        return File.Exists(single) ? [SafetensorsFile.Open(single)] : OpenShards(folder);
    }

    /// <summary>The index's file names in order of first mention, proven to lie inside the folder.</summary>
    /// <exception cref="CheckpointException">The index is malformed or names a file outside.</exception>
    public static Dictionary<string, string> ParseIndex(string path, ReadOnlyMemory<byte> json)
    {
        ConfigSection index = ConfigSection.Parse(path, json);
        ConfigSection map = index.Section("weight_map") ?? throw index.Fault("weight_map is missing");
        Dictionary<string, string> fileOf = new(StringComparer.Ordinal);
        foreach ((string tensor, string file) in map.AllTexts())
        {
            if (!IsInside(file))
                throw index.Fault($"it puts tensor '{Shown.Line(tensor)}' in " +
                                  $"'{Shown.Line(file)}', which is not a file inside the " +
                                  "folder");
            fileOf.Add(tensor, file);
        }
        return fileOf.Count > 0 ? fileOf : throw index.Fault("weight_map is empty");
    }

    private static List<SafetensorsFile> OpenShards(string folder)
    {
        string indexPath = Path.Combine(folder, IndexFile);
        Dictionary<string, string> fileOf = ParseIndex(indexPath, ReadWhole(indexPath, MaxIndexBytes));
        Dictionary<string, SafetensorsFile> files = new(StringComparer.Ordinal);
        try
        {
            foreach (string name in fileOf.Values)
            {
                if (!files.ContainsKey(name))
                    files.Add(name, SafetensorsFile.Open(Path.Combine(folder, name)));
            }
            foreach ((string tensor, string name) in fileOf)
            {
                if (!files[name].Tensors.ContainsKey(tensor))
                    throw new CheckpointException(
                        files[name].Path, $"tensor '{Shown.Line(tensor)}' is not in it, where " +
                                          $"{IndexFile} puts it");
            }
        }
        catch
        {
            foreach (SafetensorsFile file in files.Values)
                file.Dispose();
            throw;
        }
        return [.. files.Values];
    }

    private static bool IsInside(string name) =>
        name.Length > 0 && !Path.IsPathRooted(name) && name.IndexOfAny(['\\', '\0', ':']) < 0
        && !name.Split('/').Any(part => part is "" or "." or "..");

    private static byte[] ReadWhole(string path, long maxBytes)
    {
        using MappedFile file = MappedFile.Open(path);
        if (file.LengthBytes > maxBytes)
            throw new CheckpointException(path, $"it has {file.LengthBytes} bytes; at most {maxBytes} are " +
                                                "read");
        byte[] bytes = new byte[file.LengthBytes];
        file.Read(0, bytes);
        return bytes;
    }
}
