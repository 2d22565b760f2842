namespace PdEngine.Host;

/// <summary>What Hugging Face calls the families.</summary>
internal static class FamilyNames
{
    public static string ModelType(ModelFamily family) => family.ToString().ToLowerInvariant();

    public static string Architecture(EngineModel model) =>
        $"{model.Config.Family}For{(model.IsReward ? "SequenceClassification" : "CausalLM")}";
}
