using System.Text.Json;

namespace PdEngine;

/// <summary>
/// JSON whose objects have no name twice. System.Text.Json's own check draws a secret from OpenSSL, and ends
/// the process where that is not installed.
/// </summary>
internal static class StrictJson
{
    /// <exception cref="JsonException">It is no JSON, or some object has a name twice.</exception>
    /// <exception cref="InvalidOperationException">A name is not valid Unicode.</exception>
    public static JsonDocument Parse(ReadOnlyMemory<byte> json)
    {
        JsonDocument document = JsonDocument.Parse(json);
        try
        {
            Refuse(document.RootElement);
            return document;
        }
        catch
        {
            document.Dispose();
            throw;
        }
    }

    private static void Refuse(JsonElement value)
    {
        if (value.ValueKind == JsonValueKind.Array)
        {
            foreach (JsonElement item in value.EnumerateArray())
                Refuse(item);
        }
        else if (value.ValueKind == JsonValueKind.Object)
        {
            HashSet<string> names = new(StringComparer.Ordinal);
            foreach (JsonProperty property in value.EnumerateObject())
            {
                if (!names.Add(property.Name))
                    throw new JsonException($"'{Shown.Line(property.Name)}' is given twice");
                Refuse(property.Value);
            }
        }
    }
}
