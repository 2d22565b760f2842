using System.Text.Json;

namespace PdEngine;

/// <summary>
/// A value inside a tokenizer file that knows where it is, so that a wrong one can be named.
/// </summary>
internal readonly struct TokenizerField
{
    private const int MaxShownCharacters = 300;

    private readonly JsonElement _value;
    private readonly string _path;

    public TokenizerField(JsonElement value, string path, string place)
    {
        (_value, _path, Place) = (value, path, place);
    }

    /// <summary>Where the value is, for example <c>decoder.decoders[2]</c>.</summary>
    public string Place { get; }

    public bool IsNull => _value.ValueKind is JsonValueKind.Null or JsonValueKind.Undefined;

    public bool IsObject => _value.ValueKind == JsonValueKind.Object;

    /// <summary>A member; null's stand-in where it is absent.</summary>
    public TokenizerField this[string name]
    {
        get
        {
            if (_value.ValueKind != JsonValueKind.Object)
                throw Fault("must be an object");
            _value.TryGetProperty(name, out JsonElement member);
            return new TokenizerField(member, _path, Place.Length == 0 ? name : $"{Place}.{name}");
        }
    }

    public List<TokenizerField> Items()
    {
        if (_value.ValueKind != JsonValueKind.Array)
            throw Fault("must be a list");
        List<TokenizerField> items = [];
        foreach (JsonElement item in _value.EnumerateArray())
            items.Add(new TokenizerField(item, _path, $"{Place}[{items.Count}]"));
        return items;
    }

    public string Text()
    {
        if (_value.ValueKind != JsonValueKind.String)
            throw Fault("must be a string");
        try
        {
            return _value.GetString()!;
        }
        catch (InvalidOperationException broken)
        {
            throw new CheckpointException(_path, $"{Shorten(Place)} is not well-formed text", broken);
        }
    }

    public int Integer() =>
        _value.ValueKind == JsonValueKind.Number && _value.TryGetInt32(out int value)
            ? value
            : throw Fault("must be an integer");

    /// <summary>A flag that may be absent or null.</summary>
    public bool Flag(bool otherwise = false) =>
        _value.ValueKind switch
        {
            JsonValueKind.True => true,
            JsonValueKind.False => false,
            _ when IsNull => otherwise,
            _ => throw Fault("must be true or false"),
        };

    /// <summary>The exception for a value that cannot be used.</summary>
    public CheckpointException Fault(string problem) => new(_path, $"{Shorten(Place)} {Shorten(problem)}");

    /// <summary>The start of a text for a message: what a file holds may be as long as the file.</summary>
    internal static string Shorten(string text) =>
        text.Length <= MaxShownCharacters ? text : $"{text[..MaxShownCharacters]}...";

    /// <summary>The exception for a kind of step that has no implementation.</summary>
    public CheckpointException Unsupported(string what) => Fault($"is {what}, which is not supported");
}
