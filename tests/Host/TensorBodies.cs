namespace PdEngine.Tests;

/// <summary>A checkpoint's tensors as bodies of <c>/update_weights_from_tensor</c>.</summary>
internal static class TensorBodies
{
    /// <summary>So many files of base64, with the tensors in the model's order.</summary>
    public static string[] Files(string folder, int count)
    {
        using ICheckpoint checkpoint = Checkpoint.Open(folder);
        TensorShape[] all = [.. ModelTensors.Of(checkpoint.Config)];
        return [.. all.Chunk((all.Length + count - 1) / count).Select(part =>
        {
            SafetensorsWriter writer = new();
            foreach (TensorShape tensor in part)
            {
                writer.Add(tensor.Name, SafetensorsDtype.F32, tensor.Shape,
                    (first, values) => checkpoint.Read(tensor.Name, first, values));
            }
            using MemoryStream file = new();
            writer.Write(file);
            return Convert.ToBase64String(file.ToArray());
        })];
    }

    public static string Body(string file) => $$"""{"serialized_named_tensors":["{{file}}"]}""";
}
