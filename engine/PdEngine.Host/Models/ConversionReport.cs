using System.Text.Json;

namespace PdEngine.Host;

/// <summary>What a conversion made.</summary>
/// <param name="Input">What was read.</param>
/// <param name="Output">What was written.</param>
/// <param name="Bytes">Of all files.</param>
/// <param name="Dtypes">How tensors are stored: before, behind, and how many so.</param>
/// <param name="Notes">What a user should know.</param>
internal sealed record ConversionReport(
    string Input, string Output, long Bytes, IReadOnlyList<(string From, string To, int Count)> Dtypes,
    IReadOnlyList<string> Notes)
{
    public void Print(TextWriter output)
    {
        output.WriteLine($"{Output}: {Dtypes.Sum(row => row.Count)} tensors, {Shown.Bytes(Bytes)}");
        foreach ((string from, string to, int count) in Dtypes)
            output.WriteLine($"  {count} tensors {from}{(from == to ? ", as they were" : $" -> {to}")}");
        foreach (string note in Notes)
            output.WriteLine($"note: {note}");
    }

    public void WriteJson(Utf8JsonWriter json)
    {
        json.WriteStartObject();
        json.WriteString("input", Input);
        json.WriteString("output", Output);
        json.WriteNumber("bytes", Bytes);
        json.WriteStartArray("dtypes");
        foreach ((string from, string to, int count) in Dtypes)
        {
            json.WriteStartObject();
            json.WriteString("from", from);
            json.WriteString("to", to);
            json.WriteNumber("tensors", count);
            json.WriteEndObject();
        }
        json.WriteEndArray();
        json.WriteStartArray("notes");
        foreach (string note in Notes)
            json.WriteStringValue(note);
        json.WriteEndArray();
        json.WriteEndObject();
    }
}
