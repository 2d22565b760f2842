using System.Text.Json;

namespace PdEngine.Tests;

/// <summary>What the golden models' own configs say, read without the engine.</summary>
internal static class TinyGoldens
{
    private static readonly string[] Dense = ["llama", "mistral", "qwen2", "qwen3"];

    public static JsonElement Config(string folder)
    {
        using JsonDocument json = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(folder, "config.json")));
        return json.RootElement.Clone();
    }

    public static bool IsDense(string folder) =>
        Dense.Contains(Config(folder).GetProperty("model_type").GetString());
}
