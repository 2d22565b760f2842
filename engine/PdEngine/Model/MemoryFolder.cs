namespace PdEngine;

/// <summary>
/// A Hugging Face folder whose files are in memory, for a program that carries its model inside. Its name
/// stands where the path of a folder would.
/// </summary>
/// <param name="name">What it is named by; best nothing that is a path, such as <c>embedded:tiny</c>.</param>
/// <param name="files">Contents by file name; the weights are one file, <c>model.safetensors</c>.</param>
public sealed class MemoryFolder(string name, IReadOnlyDictionary<string, ReadOnlyMemory<byte>> files)
{
    /// <summary>Where a path would stand.</summary>
    public string Name { get; } = name;

    /// <summary>A file's place, for messages.</summary>
    internal string PathOf(string file) => $"{Name}/{file}";

    /// <summary>A file's content, or null where there is no such file.</summary>
    internal ReadOnlyMemory<byte>? Find(string file) =>
        files.TryGetValue(file, out ReadOnlyMemory<byte> content) ? content : default(ReadOnlyMemory<byte>?);

    /// <exception cref="CheckpointException">There is no such file.</exception>
    internal ReadOnlyMemory<byte> Read(string file) => Find(file)
        ?? throw new CheckpointException(Name, $"holds no {file}");
}
