using System.Text.Json;

namespace PdEngine.Host;

/// <summary>
/// Finds names that an object has twice: which of the two values was meant, nobody can know.
/// </summary>
internal static class DuplicateNames
{
    /// <summary>Refuses a body with such a name, however deep; its <c>id</c> may be whatever it is.</summary>
    /// <exception cref="RequestException">It names it.</exception>
    public static void Refuse(JsonElement body) => Refuse(body, "id");

    private static void Refuse(JsonElement value, string? free)
    {
        if (value.ValueKind == JsonValueKind.Array)
        {
            foreach (JsonElement item in value.EnumerateArray())
            {
                if (item.ValueKind is JsonValueKind.Object or JsonValueKind.Array)
                    Refuse(item, free: null);
            }
        }
        else if (value.ValueKind == JsonValueKind.Object)
        {
            HashSet<string> names = new(StringComparer.Ordinal);
            foreach (JsonProperty property in value.EnumerateObject())
            {
                string name = Fields.NameOf(property);
                if (!names.Add(name))
                    throw new RequestException(Fields.Short(name), "it is given twice; give it once");
                if (name != free)
                    Refuse(property.Value, free: null);
            }
        }
    }
}
