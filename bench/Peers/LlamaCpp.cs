using System.Runtime.InteropServices;

namespace PdEngine.Bench;

/// <summary>
/// llama.cpp through its own C API, as the peer that a benchmark runs beside us: <c>llama_decode</c> and the
/// logits. Its parameter structs are opaque here but for the leading fields of the context's, whose
/// defaults are checked, so that another version is refused rather than misread.
/// </summary>
internal sealed unsafe class LlamaCpp : IDisposable
{
    private const int DefaultBatch = 2048;
    private const int DefaultMicroBatch = 512;
    // The library reports through a function without context, so its first complaint is the process's.
    private static string s_firstError = "";

    private readonly nint _library;
    private readonly nint _model;
    private nint _context;

    private LlamaCpp(nint library, nint model)
    {
        _library = library;
        _model = model;
    }

    /// <summary>Loads the library from a folder and a GGUF model.</summary>
    /// <exception cref="PeerException">The library or model cannot be used.</exception>
    public static LlamaCpp Load(string folder, string ggufPath)
    {
        string file = Directory.Exists(folder)
            ? Directory.GetFiles(folder, "libllama.v*.so").Append("").First()
            : "";
        if (file == "" || !NativeLibrary.TryLoad(file, out nint library))
            throw new PeerException($"no loadable libllama.v*.so in '{folder}'");
        LlamaCpp peer = new(library, 0);
        SetLog(library);
        nint ggml = NativeLibrary.Load(Directory.GetFiles(folder, "libggml.v*.so").First());
        nint folderText = Marshal.StringToCoTaskMemUTF8(folder);
        nint pathText = Marshal.StringToCoTaskMemUTF8(ggufPath);
        try
        {
            nint loadAll = NativeLibrary.GetExport(ggml, "ggml_backend_load_all_from_path");
            ((delegate* unmanaged<nint, void>)loadAll)(folderText);
            ((delegate* unmanaged<void>)peer.Export("llama_backend_init"))();
            Opaque parameters = ((delegate* unmanaged<Opaque>)peer.Export("llama_model_default_params"))();
            nint model = ((delegate* unmanaged<nint, Opaque, nint>)peer.Export("llama_model_load_from_file"))(
                pathText, parameters);
            return model == 0
                ? throw new PeerException($"it refused '{ggufPath}': {s_firstError}")
                : new LlamaCpp(library, model);
        }
        finally
        {
            Marshal.FreeCoTaskMem(folderText);
            Marshal.FreeCoTaskMem(pathText);
        }
    }

    /// <summary>Opens a context, closing the one before.</summary>
    /// <param name="contextTokens">Tokens over all sequences.</param>
    /// <param name="sequences">Most sequences.</param>
    /// <param name="threads">Threads for prefill and decode.</param>
    public void OpenContext(int contextTokens, int sequences, int threads)
    {
        CloseContext();
        Opaque parameters = ((delegate* unmanaged<Opaque>)Export("llama_context_default_params"))();
        ContextHead* head = (ContextHead*)&parameters;
        if (head->BatchTokens != DefaultBatch || head->MicroBatchTokens != DefaultMicroBatch)
            throw new PeerException("this benchmark does not know the layout of its context parameters");
        head->ContextTokens = (uint)contextTokens;
        head->Sequences = (uint)sequences;
        _context = ((delegate* unmanaged<nint, Opaque, nint>)Export("llama_init_from_model"))(
            _model, parameters);
        if (_context == 0)
            throw new PeerException($"it has no context of {contextTokens} tokens");
        // One thread too many a core would have them wait for each other by whole time slices.
        ((delegate* unmanaged<nint, int, int, void>)Export("llama_set_n_threads"))(
            _context, threads, threads);
    }

    /// <summary>Forgets all sequences.</summary>
    public void Clear()
    {
        nint memory = ((delegate* unmanaged<nint, nint>)Export("llama_get_memory"))(_context);
        ((delegate* unmanaged<nint, byte, void>)Export("llama_memory_clear"))(memory, 1);
    }

    /// <summary>Gives one sequence a copy of another's positions.</summary>
    public void Copy(int from, int to)
    {
        nint memory = ((delegate* unmanaged<nint, nint>)Export("llama_get_memory"))(_context);
        ((delegate* unmanaged<nint, int, int, int, int, void>)Export("llama_memory_seq_cp"))(
            memory, from, to, -1, -1);
    }

    /// <summary>Forgets a sequence's positions from one on.</summary>
    /// <exception cref="PeerException">Its memory cannot be cut there.</exception>
    public void Cut(int sequence, int from)
    {
        nint memory = ((delegate* unmanaged<nint, nint>)Export("llama_get_memory"))(_context);
        byte done = ((delegate* unmanaged<nint, int, int, int, byte>)Export("llama_memory_seq_rm"))(
            memory, sequence, from, -1);
        if (done == 0)
            throw new PeerException($"it cannot forget sequence {sequence} from position {from} on");
    }

    /// <summary>Logits [vocabulary] of a wanted token of the last batch, until the next.</summary>
    /// <param name="index">The token's place in the batch.</param>
    /// <param name="vocabularySize">Columns.</param>
    public ReadOnlySpan<float> Logits(int index, int vocabularySize)
    {
        float* logits = ((delegate* unmanaged<nint, int, float*>)Export("llama_get_logits_ith"))(
            _context, index);
        return logits == null
            ? throw new PeerException($"it has no logits of token {index} of the batch")
            : new ReadOnlySpan<float>(logits, vocabularySize);
    }

    /// <summary>
    /// Computes one batch: token i goes to sequences[i] at positions[i]; logits where wanted.
    /// </summary>
    public void Decode(ReadOnlySpan<int> tokens, ReadOnlySpan<int> positions, ReadOnlySpan<int> sequences,
        ReadOnlySpan<byte> wanted)
    {
        int* counts = (int*)NativeMemory.Alloc((nuint)tokens.Length, sizeof(int));
        int** ids = (int**)NativeMemory.Alloc((nuint)tokens.Length, (nuint)sizeof(int*));
        try
        {
            fixed (int* token = tokens, position = positions, sequence = sequences)
            fixed (byte* logits = wanted)
            {
                for (int i = 0; i < tokens.Length; i++)
                {
                    counts[i] = 1;
                    ids[i] = sequence + i;
                }
                Batch batch = new()
                {
                    Count = tokens.Length, Tokens = token, Positions = position, SequenceCounts = counts,
                    SequenceIds = ids, Logits = logits,
                };
                int status = ((delegate* unmanaged<nint, Batch, int>)Export("llama_decode"))(_context, batch);
                if (status != 0)
                    throw new PeerException($"llama_decode returned {status}");
            }
        }
        finally
        {
            NativeMemory.Free(counts);
            NativeMemory.Free(ids);
        }
    }

    public void Dispose()
    {
        CloseContext();
        if (_model != 0)
            ((delegate* unmanaged<nint, void>)Export("llama_model_free"))(_model);
    }

    private void CloseContext()
    {
        if (_context != 0)
            ((delegate* unmanaged<nint, void>)Export("llama_free"))(_context);
        _context = 0;
    }

    private void* Export(string name) => (void*)NativeLibrary.GetExport(_library, name);

    private static void SetLog(nint library) =>
        ((delegate* unmanaged<delegate* unmanaged<int, byte*, void*, void>, void*, void>)
            NativeLibrary.GetExport(library, "llama_log_set"))(&KeepError, null);

    [UnmanagedCallersOnly]
    private static void KeepError(int level, byte* text, void* user)
    {
        const int error = 4;
        if (level == error && s_firstError == "")
            s_firstError = Marshal.PtrToStringUTF8((nint)text)?.Trim() ?? "";
    }

    /// <summary>
    /// At least as large as either parameter struct; passed last, so a larger copy does no harm.
    /// </summary>
    [StructLayout(LayoutKind.Sequential, Size = 512)]
    private struct Opaque
    {
        public long First;
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct ContextHead
    {
        public uint ContextTokens, BatchTokens, MicroBatchTokens, Sequences;
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct Batch
    {
        public int Count;
        public int* Tokens;
        public float* Embeddings;
        public int* Positions;
        public int* SequenceCounts;
        public int** SequenceIds;
        public byte* Logits;
    }
}
