using PdEngine;
using PdEngine.Interop;

const string usage = """
    Builds the images of the CUDA kernels that changed, and their manifest.
      dotnet run --project kernels/cuda/images/build -- [FOLDER] [--nvrtc FILE]
    FOLDER is kernels/cuda/images where none is named. FILE is libnvrtc.so.12 where the system has none:
    kernels/cuda/images/build/fetch-nvrtc.sh gets it.
    """;

string folder = "kernels/cuda/images";
string? library = null;
for (int i = 0; i < args.Length; i++)
{
    if (args[i] == "--nvrtc" && i + 1 < args.Length)
        library = args[++i];
    else if (!args[i].StartsWith('-'))
        folder = args[i];
    else
        return Refuse(usage);
}
if (!Directory.Exists(folder))
    return Refuse($"There is no folder {folder}; run this in the repository's root, or name one.");
try
{
    ImageFolder.Build(folder, Nvrtc.Open(library), Console.WriteLine);
    return 0;
}
catch (CudaException refused)
{
    return Refuse(refused.Message);
}

static int Refuse(string why)
{
    Console.Error.WriteLine(why);
    return 1;
}
