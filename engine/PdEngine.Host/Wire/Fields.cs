using System.Text.Json;

namespace PdEngine.Host;

/// <summary>
/// Typed reads of JSON fields; absent and null are null, another kind is an error that names the field.
/// </summary>
internal static class Fields
{
    public static string KindName(JsonElement element) => element.ValueKind switch
    {
        JsonValueKind.Undefined => "nothing",
        JsonValueKind.True or JsonValueKind.False => "a boolean",
        JsonValueKind.Null => "null",
        JsonValueKind.Object => "an object",
        JsonValueKind.Array => "an array",
        JsonValueKind.String => "a string",
        _ => "a number",
    };

    public static string NameOf(JsonProperty property)
    {
        try
        {
            return property.Name;
        }
        catch (InvalidOperationException)
        {
            throw new RequestException("body", "the name of a field is not valid Unicode");
        }
    }

    public static bool HasName(JsonProperty property, string name)
    {
        try
        {
            return property.NameEquals(name);
        }
        catch (InvalidOperationException)
        {
            return false;
        }
    }

    /// <summary>A given text, short enough to be quoted in a message.</summary>
    public static string Short(string given) => given.Length <= 64 ? given : $"{given.AsSpan(0, 64)}...";

    public static JsonElement? Element(JsonElement body, string name, JsonValueKind kind)
    {
        if (!body.TryGetProperty(name, out JsonElement value) || value.ValueKind == JsonValueKind.Null)
            return null;
        if (value.ValueKind != kind)
        {
            string wanted = kind == JsonValueKind.Array ? "an array" : "an object";
            throw new RequestException(name, $"{wanted} is needed, not {KindName(value)}");
        }
        return value;
    }

    public static string? String(JsonElement body, string name)
    {
        if (!body.TryGetProperty(name, out JsonElement value) || value.ValueKind == JsonValueKind.Null)
            return null;
        return ToText(value, name);
    }

    public static bool? Boolean(JsonElement body, string name)
    {
        if (!body.TryGetProperty(name, out JsonElement value) || value.ValueKind == JsonValueKind.Null)
            return null;
        return value.ValueKind switch
        {
            JsonValueKind.True => true,
            JsonValueKind.False => false,
            _ => throw new RequestException(name, $"true or false is needed, not {KindName(value)}"),
        };
    }

    public static int? Integer(JsonElement body, string name)
    {
        if (!body.TryGetProperty(name, out JsonElement value) || value.ValueKind == JsonValueKind.Null)
            return null;
        return ToInteger(value, name);
    }

    public static float? Number(JsonElement body, string name)
    {
        if (!body.TryGetProperty(name, out JsonElement value) || value.ValueKind == JsonValueKind.Null)
            return null;
        return ToFloat(value, name);
    }

    public static int[]? Ids(JsonElement body, string name)
    {
        return Element(body, name, JsonValueKind.Array) is { } array ? ToIds(array, name) : null;
    }

    public static int[] ToIds(JsonElement array, string name)
    {
        if (array.ValueKind != JsonValueKind.Array)
            throw new RequestException(name, $"an array is needed, not {KindName(array)}");
        int[] ids = new int[array.GetArrayLength()];
        int index = 0;
        foreach (JsonElement item in array.EnumerateArray())
            ids[index++] = ToInteger(item, name);
        return ids;
    }

    /// <summary>One string, or an array of them.</summary>
    public static string[] Strings(JsonElement body, string name)
    {
        if (!body.TryGetProperty(name, out JsonElement value) || value.ValueKind == JsonValueKind.Null)
            return [];
        if (value.ValueKind == JsonValueKind.String)
            return [ToText(value, name)];
        if (value.ValueKind != JsonValueKind.Array)
            throw new RequestException(
                name, $"a string or an array of strings is needed, not {KindName(value)}");
        string[] strings = new string[value.GetArrayLength()];
        int index = 0;
        foreach (JsonElement item in value.EnumerateArray())
            strings[index++] = ToText(item, name);
        return strings;
    }

    public static float ToFloat(JsonElement value, string name)
    {
        if (value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out double number)
            && float.IsFinite((float)number))
        {
            return (float)number;
        }
        throw new RequestException(name, $"a finite number is needed, not {Shown(value)}");
    }

    private static int ToInteger(JsonElement value, string name)
    {
        if (value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out int number))
            return number;
        throw new RequestException(name, $"an integer of 32 bits is needed, not {Shown(value)}");
    }

    private static string ToText(JsonElement value, string name)
    {
        if (value.ValueKind != JsonValueKind.String)
            throw new RequestException(name, $"a string is needed, not {KindName(value)}");
        try
        {
            return value.GetString()!;
        }
        catch (InvalidOperationException)
        {
            throw new RequestException(name, "the string is not valid Unicode");
        }
    }

    private static string Shown(JsonElement value)
    {
        string text = value.GetRawText();
        return text.Length <= 40 ? text : KindName(value);
    }
}
