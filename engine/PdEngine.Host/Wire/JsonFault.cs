using System.Text.Json;

namespace PdEngine.Host;

/// <summary>What is wrong with a line that is no JSON, in the places that an editor shows.</summary>
internal static class JsonFault
{
    /// <param name="error">What the reader made of the line.</param>
    /// <param name="line">The whole line: UTF-8.</param>
    /// <returns>The column, in characters from 1, and what is wrong there.</returns>
    public static (int Column, string Problem) Of(JsonException error, ReadOnlySpan<byte> line)
    {
        int at = (int)Math.Clamp(error.BytePositionInLine ?? 0, 0, line.Length);
        int column = 1;
        foreach (byte value in line[..at])
            column += (value & 0xC0) == 0x80 ? 0 : 1;
        return (column, Problem(error));
    }

    /// <summary>What is wrong, without the reader's own places.</summary>
    public static string Problem(JsonException error)
    {
        // They count from 0, in bytes, within what it was given.
        string problem = error.Message;
        foreach (string place in (ReadOnlySpan<string>)[" LineNumber:", " Path:"])
        {
            int end = problem.IndexOf(place, StringComparison.Ordinal);
            problem = end < 0 ? problem : problem[..end];
        }
        return $"not valid JSON: {problem}";
    }
}
