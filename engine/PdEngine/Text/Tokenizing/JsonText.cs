using System.Text.Json;

namespace PdEngine;

/// <summary>
/// Strings from a <see cref="Utf8JsonReader"/>, refusing broken UTF-8 and lone surrogates by name.
/// </summary>
internal static class JsonText
{
    /// <summary>The string or name under the reader.</summary>
    public static string Read(ref Utf8JsonReader reader, string path)
    {
        try
        {
            return reader.GetString()!;
        }
        catch (InvalidOperationException broken)
        {
            throw Broken(path, broken);
        }
    }

    /// <summary>
    /// Writes the string or name under the reader in UTF-8, in place of what the buffer held.
    /// </summary>
    public static ReadOnlySpan<byte> Read(ref Utf8JsonReader reader, ByteBuffer buffer, string path)
    {
        buffer.Clear();
        try
        {
            buffer.Advance(reader.CopyString(buffer.Reserve(reader.ValueSpan.Length)));
        }
        catch (InvalidOperationException broken)
        {
            throw Broken(path, broken);
        }
        return buffer.Written;
    }

    private static CheckpointException Broken(string path, InvalidOperationException cause) =>
        new(path, "holds a string that is not well-formed text", cause);
}
