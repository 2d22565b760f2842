using System.Text.Json;

namespace PdEngine.Host;

/// <summary>Writes refusals in the shape that OpenAI's clients read.</summary>
internal static class ErrorWriter
{
    public static void Write(Utf8JsonWriter json, HttpRefusal refusal)
    {
        json.WriteStartObject();
        json.WriteStartObject("error");
        json.WriteString("message", refusal.Message);
        json.WriteString("type", refusal.Type);
        json.WriteString("param", refusal.Field);
        json.WriteNumber("code", refusal.Status);
        json.WriteEndObject();
        json.WriteEndObject();
    }
}
