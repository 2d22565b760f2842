using System.Text.Json;

namespace PdEngine;

/// <summary>
/// One object of a JSON configuration file; every getter checks type and range and says where it failed.
/// </summary>
internal sealed class ConfigSection
{
    private readonly string _path;
    private readonly string _prefix;
    private readonly JsonElement _element;

    private ConfigSection(string path, string prefix, JsonElement element)
    {
        _path = path;
        _prefix = prefix;
        _element = element;
    }

    /// <summary>Parses a file whose root is an object without repeated keys.</summary>
    public static ConfigSection Parse(string path, ReadOnlyMemory<byte> json)
    {
        try
        {
            ReadOnlyMemory<byte> text = json.Span.StartsWith("\uFEFF"u8) ? json[3..] : json;
            using JsonDocument document = StrictJson.Parse(text);
            JsonElement root = document.RootElement.Clone();
            return root.ValueKind == JsonValueKind.Object
                ? new ConfigSection(path, "", root)
                : throw new CheckpointException(path, "its JSON is not an object");
        }
        catch (Exception fault) when (fault is JsonException or InvalidOperationException)
        {
            throw new CheckpointException(
                path, $"it is not valid JSON ({Shown.Line(fault.Message, 300)})", fault);
        }
    }

    public CheckpointException Fault(string problem) => new(_path, problem);

    /// <summary>Whether the key is there with a value other than null.</summary>
    public bool Has(string name) => Find(name) is not null;

    /// <summary>Whether the key is there at all, null included.</summary>
    public bool Mentions(string name) => _element.TryGetProperty(name, out _);

    public int Int(string name, int min, int max) =>
        OptionalInt(name, min, max) ?? throw Fault($"{_prefix}{name} is missing");

    public int? OptionalInt(string name, int min, int max)
    {
        if (Find(name) is not { } value)
            return null;
        return value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out long number)
            && number >= min && number <= max
            ? (int)number
            : throw Fault($"{_prefix}{name} is {TextOf(value)}; it must be a whole number from {min} to " +
                          $"{max}");
    }

    public double Number(string name, double min, double max) =>
        OptionalNumber(name, min, max) ?? throw Fault($"{_prefix}{name} is missing");

    public double? OptionalNumber(string name, double min, double max)
    {
        if (Find(name) is not { } value)
            return null;
        return value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out double number)
            && number >= min && number <= max
            ? number
            : throw Fault($"{_prefix}{name} is {TextOf(value)}; it must be a number from {min} to {max}");
    }

    public bool Flag(string name, bool otherwise) => Find(name) switch
    {
        null => otherwise,
        { ValueKind: JsonValueKind.True } => true,
        { ValueKind: JsonValueKind.False } => false,
        { } value => throw Fault($"{_prefix}{name} is {TextOf(value)}; it must be true or false"),
    };

    public string? Text(string name)
    {
        if (Find(name) is not { } value)
            return null;
        return value.ValueKind == JsonValueKind.String
            ? StringOf(value, name)
            : throw Fault($"{_prefix}{name} is {TextOf(value)}; it must be a string");
    }

    public ConfigSection? Section(string name)
    {
        if (Find(name) is not { } value)
            return null;
        return value.ValueKind == JsonValueKind.Object
            ? new ConfigSection(_path, $"{_prefix}{name}.", value)
            : throw Fault($"{_prefix}{name} is {TextOf(value)}; it must be an object");
    }

    /// <summary>A list of strings, or null where the key is absent.</summary>
    public List<string>? Texts(string name)
    {
        if (Find(name) is not { } value)
            return null;
        if (value.ValueKind != JsonValueKind.Array)
            throw Fault($"{_prefix}{name} is {TextOf(value)}; it must be a list of strings");
        List<string> texts = [];
        foreach (JsonElement item in value.EnumerateArray())
        {
            if (item.ValueKind != JsonValueKind.String)
                throw Fault($"{_prefix}{name} holds {TextOf(item)}; it must be a list of strings");
            texts.Add(StringOf(item, name));
        }
        return texts;
    }

    /// <summary>A token id or a list of them; empty where the key is absent.</summary>
    public List<int> TokenIds(string name)
    {
        List<int> ids = [];
        if (Find(name) is not { } value)
            return ids;
        if (value.ValueKind == JsonValueKind.Array)
        {
            foreach (JsonElement item in value.EnumerateArray())
                ids.Add(TokenId(name, item));
        }
        else
            ids.Add(TokenId(name, value));
        return ids;
    }

    /// <summary>Every key of the object with its string value.</summary>
    public IEnumerable<(string Key, string Value)> AllTexts()
    {
        foreach (JsonProperty property in _element.EnumerateObject())
        {
            string key = NameOf(property);
            yield return property.Value.ValueKind == JsonValueKind.String
                ? (key, StringOf(property.Value, key))
                : throw Fault($"{_prefix}{Shown.Line(key)} is not a string");
        }
    }

    private int TokenId(string name, JsonElement value) =>
        value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out int id) && id >= 0
            ? id
            : throw Fault($"{_prefix}{name} holds {TextOf(value)}; a token id is a whole number from 0");

    private JsonElement? Find(string name) =>
        _element.TryGetProperty(name, out JsonElement value) && value.ValueKind != JsonValueKind.Null
            ? value
            : null;

    private string StringOf(JsonElement value, string name)
    {
        try
        {
            return value.GetString()!;
        }
        catch (InvalidOperationException fault)
        {
            throw new CheckpointException(_path, $"{_prefix}{name} is not valid Unicode", fault);
        }
    }

    private string NameOf(JsonProperty property)
    {
        try
        {
            return property.Name;
        }
        catch (InvalidOperationException fault)
        {
            throw new CheckpointException(_path, $"a key under '{_prefix}' is not valid Unicode", fault);
        }
    }

    private static string TextOf(JsonElement value) => Shown.Line(value.GetRawText());
}
