namespace PdEngine.Host;

/// <summary>A tensor as some file stores it, whether the engine can run its model or not.</summary>
/// <param name="Name">Hugging Face's, where the file's has one.</param>
/// <param name="Dtype">For example BF16 or Q4_1.</param>
/// <param name="Shape">Outermost first.</param>
/// <param name="Bytes">In the file.</param>
internal sealed record TensorRow(string Name, string Dtype, long[] Shape, long Bytes)
{
    /// <exception cref="CheckpointException">There is none to read, or a file is malformed.</exception>
    public static IReadOnlyList<TensorRow> Read(string path, MemoryFolder? inMemory)
    {
        if (inMemory is not null)
        {
            using SafetensorsFile held = new(
                inMemory.Name, new MemoryBytes(inMemory.Read(HfFolder.SingleFile)));
            return [.. Of(held)];
        }
        if (GgufPath(path) is { } gguf)
        {
            using GgufFile file = GgufFile.Open(gguf);
            return [.. file.Tensors.Values.Select(tensor => new TensorRow(
                GgufNames.ToHf(tensor.Name) ?? tensor.Name, tensor.Type.ToString(), tensor.Shape,
                tensor.SizeBytes))];
        }
        IReadOnlyList<SafetensorsFile> files = HfFolder.OpenFiles(path);
        try
        {
            return [.. files.SelectMany(Of)];
        }
        finally
        {
            foreach (SafetensorsFile file in files)
                file.Dispose();
        }
    }

    /// <summary>The GGUF file that a path means; null where it means a folder of other files.</summary>
    public static string? GgufPath(string path)
    {
        if (!Directory.Exists(path))
            return path;
        return !HfFolder.HasWeights(path) && Directory.GetFiles(path, "*.gguf") is [string only]
            ? only : null;
    }

    private static IEnumerable<TensorRow> Of(SafetensorsFile file) => file.Tensors.Values.Select(tensor =>
        new TensorRow(tensor.Name, SafetensorsDtypes.NameOf(tensor.Dtype), tensor.Shape,
            tensor.EndBytes - tensor.BeginBytes));
}
