using System.Text.Json;

namespace PdEngine;

/// <summary>What the images of a folder are.</summary>
/// <param name="Compiler">Its version and build: another one makes other images.</param>
/// <param name="Flags">As it was called with.</param>
/// <param name="Images">By target, then by source.</param>
internal sealed record ImageManifest(
    string Compiler, IReadOnlyList<string> Flags, IReadOnlyList<ImageRecord> Images)
{
    private const string FileName = "manifest.json";

    /// <summary>Null where the folder has none.</summary>
    public static ImageManifest? Read(string folder)
    {
        string path = Path.Combine(folder, FileName);
        if (!File.Exists(path))
            return null;
        using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(path));
        JsonElement root = document.RootElement;
        return new(
            root.GetProperty("compiler").GetString()!,
            [.. root.GetProperty("flags").EnumerateArray().Select(flag => flag.GetString()!)],
            [.. root.GetProperty("images").EnumerateArray().Select(ReadImage)]);
    }

    public void Write(string folder)
    {
        using FileStream file = File.Create(Path.Combine(folder, FileName));
        using (Utf8JsonWriter json = new(file, new() { Indented = true, NewLine = "\n" }))
        {
            json.WriteStartObject();
            json.WriteString("compiler", Compiler);
            json.WriteStartArray("flags");
            foreach (string flag in Flags)
                json.WriteStringValue(flag);
            json.WriteEndArray();
            json.WriteStartArray("images");
            foreach (ImageRecord image in Images)
                WriteImage(json, image);
            json.WriteEndArray();
            json.WriteEndObject();
        }
        file.WriteByte((byte)'\n');
    }

    private static void WriteImage(Utf8JsonWriter json, ImageRecord image)
    {
        json.WriteStartObject();
        json.WriteString("target", image.Target);
        json.WriteString("source", image.Source);
        json.WriteString("source_sha256", image.SourceHash);
        json.WriteString("image_sha256", image.ImageHash);
        json.WriteNumber("bytes", image.Bytes);
        json.WriteStartObject("kernels");
        foreach (KernelRecord kernel in image.Kernels)
        {
            json.WriteStartObject(kernel.Name);
            json.WriteNumber("parameter_bytes", kernel.ParameterBytes);
            json.WriteNumber("registers", kernel.Registers);
            json.WriteNumber("spilled_bytes", kernel.SpilledBytes);
            json.WriteNumber("stack_bytes", kernel.StackBytes);
            json.WriteEndObject();
        }
        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static ImageRecord ReadImage(JsonElement image) =>
        new(
            image.GetProperty("target").GetString()!, image.GetProperty("source").GetString()!,
            image.GetProperty("source_sha256").GetString()!, image.GetProperty("image_sha256").GetString()!,
            image.GetProperty("bytes").GetInt32(),
            [.. image.GetProperty("kernels").EnumerateObject().Select(ReadKernel)]);

    private static KernelRecord ReadKernel(JsonProperty kernel) =>
        new(
            kernel.Name, kernel.Value.GetProperty("parameter_bytes").GetInt32(),
            kernel.Value.GetProperty("registers").GetInt32(),
            kernel.Value.GetProperty("spilled_bytes").GetInt32(),
            kernel.Value.GetProperty("stack_bytes").GetInt32());
}
