namespace PdEngine.Examples;

/// <summary>A tensor of the model and where it lies among all parameters.</summary>
/// <param name="Name">Hugging Face's.</param>
/// <param name="Shape">Outermost first.</param>
/// <param name="Offset">First element in the flat vector.</param>
/// <param name="Count">Elements.</param>
internal sealed record ParameterSlot(string Name, long[] Shape, int Offset, int Count);

/// <summary>
/// Where a layer's matrices start. Q, k and v are one matrix, one under the other; so are gate and up.
/// </summary>
internal readonly record struct LayerOffsets(
    int InputNorm, int Qkv, int Output, int PostNorm, int GateUp, int Down);

/// <summary>
/// The order of all parameters in one flat vector, so that weights, gradients and both moments of the
/// optimiser are four vectors of one shape.
/// </summary>
internal sealed class ParameterLayout
{
    private const int Lanes = 16;

    private readonly List<ParameterSlot> _slots = [];
    private readonly Dictionary<string, ParameterSlot> _byName = new(StringComparer.Ordinal);

    /// <param name="config">A Llama model without biases, its widths multiples of 16.</param>
    /// <exception cref="OptionsException">It is another model.</exception>
    public ParameterLayout(ModelConfig config)
    {
        RefuseUnsupported(config);
        Config = config;
        (int hidden, int inner) = (config.HiddenSize, config.IntermediateSize);
        QueryColumns = config.HeadCount * config.HeadDim;
        KvColumns = config.KvHeadCount * config.HeadDim;
        Embedding = Add(ModelTensors.Embedding, config.VocabularySize, hidden);
        Layers = new LayerOffsets[config.LayerCount];
        for (int layer = 0; layer < Layers.Length; layer++)
        {
            string prefix = $"model.layers.{layer}.";
            int inputNorm = Add(prefix + "input_layernorm.weight", hidden);
            int qkv = Add(prefix + "self_attn.q_proj.weight", QueryColumns, hidden);
            Add(prefix + "self_attn.k_proj.weight", KvColumns, hidden);
            Add(prefix + "self_attn.v_proj.weight", KvColumns, hidden);
            int output = Add(prefix + "self_attn.o_proj.weight", hidden, QueryColumns);
            int postNorm = Add(prefix + "post_attention_layernorm.weight", hidden);
            int gateUp = Add(prefix + "mlp.gate_proj.weight", inner, hidden);
            Add(prefix + "mlp.up_proj.weight", inner, hidden);
            int down = Add(prefix + "mlp.down_proj.weight", hidden, inner);
            Layers[layer] = new(inputNorm, qkv, output, postNorm, gateUp, down);
        }
        FinalNorm = Add("model.norm.weight", hidden);
        Head = config.TieWordEmbeddings
            ? Embedding
            : Add(ModelTensors.Head, config.VocabularySize, hidden);
    }

    public ModelConfig Config { get; }

    public IReadOnlyList<ParameterSlot> Slots => _slots;

    /// <summary>Parameters in all.</summary>
    public int Count { get; private set; }

    public int QueryColumns { get; }

    public int KvColumns { get; }

    public int Embedding { get; }

    public LayerOffsets[] Layers { get; }

    public int FinalNorm { get; }

    public int Head { get; }

    public ParameterSlot? Find(string name) => _byName.GetValueOrDefault(name);

    private int Add(string name, params int[] shape)
    {
        int count = 1;
        foreach (int length in shape)
            count = checked(count * length);
        ParameterSlot slot = new(name, Array.ConvertAll(shape, length => (long)length), Count, count);
        _slots.Add(slot);
        _byName.Add(name, slot);
        Count = checked(Count + count);
        return slot.Offset;
    }

    private static void RefuseUnsupported(ModelConfig config)
    {
        if (config.Family != ModelFamily.Llama || config.QkvBias || config.OutputBias || config.MlpBias)
            throw new OptionsException("model", "the trainer trains Llama models without biases only");
        if (config.HiddenSize % Lanes + config.IntermediateSize % Lanes + config.HeadDim % Lanes != 0)
        {
            throw new OptionsException(
                "model", $"hidden_size {config.HiddenSize}, intermediate_size {config.IntermediateSize} " +
                $"and head_dim {config.HeadDim} must be multiples of {Lanes} to be trained");
        }
    }
}
