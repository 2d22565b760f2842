namespace PdEngine;

/// <summary>
/// Which layers of a Hugging Face model attend only to the latest positions, and to how many.
/// </summary>
internal static class HfSlidingWindow
{
    private const int ClassDefaultWindow = 4096;
    private const int QwenDefaultFullLayers = 28;

    public static int[] Read(ConfigSection config, ModelFamily family, int layerCount)
    {
        int? window = config.OptionalInt("sliding_window", 1, ModelLimits.Positions);
        int fullLayers = 0;
        if (family is ModelFamily.Qwen2 or ModelFamily.Qwen3)
        {
            window = config.Flag("use_sliding_window", false) ? window ?? ClassDefaultWindow : null;
            fullLayers = config.OptionalInt("max_window_layers", 0, int.MaxValue) ?? QwenDefaultFullLayers;
        }
        else if (family == ModelFamily.Llama)
        {
            // The Llama classes have no window and ignore the key.
            window = null;
        }
        else if (!config.Mentions("sliding_window"))
        {
            // Null switches Mistral's window off; silence means the class default.
            window = ClassDefaultWindow;
        }
        int[] windows = new int[layerCount];
        if (config.Texts("layer_types") is { } types)
            ReadTypes(config, types, window, windows);
        else
        {
            for (int layer = fullLayers; layer < layerCount; layer++)
                windows[layer] = window ?? 0;
        }
        return windows;
    }

    private static void ReadTypes(ConfigSection config, List<string> types, int? window, int[] windows)
    {
        if (types.Count != windows.Length)
            throw config.Fault($"layer_types has {types.Count} entries for {windows.Length} layers");
        for (int layer = 0; layer < windows.Length; layer++)
        {
            windows[layer] = types[layer] switch
            {
                "full_attention" => 0,
                "sliding_attention" => window ?? throw config.Fault(
                    $"layer_types[{layer}] is sliding_attention, but the model has no sliding window in use"),
                _ => throw config.Fault(
                    $"layer_types[{layer}] is '{Shown.Line(types[layer])}'; full_attention " +
                    "and sliding_attention are supported"),
            };
        }
    }
}
