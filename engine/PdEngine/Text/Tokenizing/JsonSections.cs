using System.Text.Json;

namespace PdEngine;

/// <summary>
/// The members of one JSON object as byte ranges, so that a large one can be read without a tree.
/// </summary>
internal sealed class JsonSections
{
    private readonly Dictionary<string, ReadOnlyMemory<byte>> _members = [];

    /// <summary>A member's JSON; empty where it is absent.</summary>
    public ReadOnlyMemory<byte> Find(string name) => _members.GetValueOrDefault(name);

    /// <summary>Checks that all of the text is one JSON object and finds its members.</summary>
    public static JsonSections Read(ReadOnlyMemory<byte> json, string path)
    {
        JsonSections sections = new();
        try
        {
            Utf8JsonReader reader = new(json.Span);
            if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject)
                throw new CheckpointException(path, "must be a JSON object");
            while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
            {
                string name = JsonText.Read(ref reader, path);
                reader.Read();
                int start = (int)reader.TokenStartIndex;
                reader.Skip();
                if (!sections._members.TryAdd(name, json[start..(int)reader.BytesConsumed]))
                    throw new CheckpointException(path, $"holds '{TokenizerField.Shorten(name)}' twice");
            }
            // Whatever follows the object is an error of its own.
            reader.Read();
        }
        catch (JsonException broken)
        {
            string problem = TokenizerField.Shorten(broken.Message);
            throw new CheckpointException(path, $"is not valid JSON: {problem}", broken);
        }
        return sections;
    }
}
