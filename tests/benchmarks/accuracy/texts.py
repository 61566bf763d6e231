"""What the recorded models read: licences that every Debian has, chemical reactions, domains of antibodies."""
import pathlib
import random
import re

LICENCES = pathlib.Path("/usr/share/common-licenses")
LICENCE_NAMES = ["GPL-3", "Apache-2.0", "MPL-2.0", "GFDL-1.3", "LGPL-2.1", "GPL-2", "Artistic"]

# Textbook reactions, reactants and reagents before the arrow.
REACTIONS = [
    "Brc1ccc(C#N)cc1.COc1ccc(B(O)O)cc1.O=C([O-])[O-].[K+].[K+]>>COc1ccc(-c2ccc(C#N)cc2)cc1",
    "O=C(O)c1ccccc1.NCCc1ccccc1.CCN=C=NCCCN(C)C>>O=C(NCCc1ccccc1)c1ccccc1",
    "CC(=O)OC(C)=O.Oc1ccccc1C(=O)O>>CC(=O)Oc1ccccc1C(=O)O",
    "O=[N+]([O-])c1ccc(F)cc1.C1COCCN1.CS(C)=O>>O=[N+]([O-])c1ccc(N2CCOCC2)cc1",
    "CC(C)(C)OC(=O)N1CCC(N)CC1.O=C(O)C(F)(F)F.ClCCl>>NC1CCNCC1",
    "O=Cc1ccccc1.NCc1ccccc1.CC(=O)O[BH-](OC(C)=O)OC(C)=O.[Na+]>>c1ccc(CNCc2ccccc2)cc1",
    "C#Cc1ccccc1.[N-]=[N+]=NCc1ccccc1.CCO.O>>c1ccc(Cn2cc(-c3ccccc3)nn2)cc1",
    "CCOC(=O)CC(=O)OCC.O=Cc1ccc(Cl)cc1.C1CCNCC1>>CCOC(=O)C(=Cc1ccc(Cl)cc1)C(=O)OCC",
    "Cc1ccc(S(=O)(=O)Cl)cc1.OCCc1ccccc1.CCN(CC)CC>>Cc1ccc(S(=O)(=O)OCCc2ccccc2)cc1",
    "O=C1CCCCC1.C=P(c1ccccc1)(c1ccccc1)c1ccccc1.C1CCOC1>>C=C1CCCCC1",
    "Nc1ccc(Br)cc1.O=S(=O)(Cl)c1ccccc1.c1ccncc1>>O=S(=O)(Nc1ccc(Br)cc1)c1ccccc1",
    "COC(=O)c1ccc(I)nc1.[OH-].[Li+].C1CCOC1.O>>O=C(O)c1ccc(I)nc1",
    "C=CC(=O)OC.C1CCNC1.CO>>COC(=O)CCN1CCCC1",
    "O=C(O)CCc1c[nH]c2ccccc12.CO.O=S(=O)(O)O>>COC(=O)CCc1c[nH]c2ccccc12",
]
TOKEN = re.compile(r"\[[^\]]+\]|Br|Cl|>>|%\d{2}|.")

# Variable domains, heavy and light, as the documentation of AntiBERTy (MIT) has them.
ANTIBODY_DOMAINS = [
    "EVQLVQSGPEVKKPGTSVKVSCKASGFTFMSSAVQWVRQARGQRLEWIGWIVIGSGNTNYAQKFQERVTITRDMSTSTAYMELSSLRSEDTAVYYCAAPYCSSISCNDGFDI"
    "WGQGTMVTVS",
    "DVVMTQTPFSLPVSLGDQASISCRSSQSLVHSNGNTYLHWYLQKPGQSPKLLIYKVSNRFSGVPDRFSGSGSGTDFTLKISRVEAEDLGVYFCSQSTHVPYTFGGGTKLEIK",
]


def licences():
    """Long English texts, one after the other."""
    return "\n".join((LICENCES / name).read_text(errors="replace") for name in LICENCE_NAMES)


def reactions(count, num_tokens):
    """`count` sequences of exactly so many tokens: several reactions run in one pot, cut at the end."""
    shuffled = random.Random(1)
    for _ in range(count):
        reactants, products, length = [], [], 1
        while length < num_tokens:
            before, after = shuffled.choice(REACTIONS).split(">>")
            reactants.append(before)
            products.append(after)
            length = len(TOKEN.findall(".".join(reactants) + ">>" + ".".join(products)))
        yield TOKEN.findall(".".join(reactants) + ">>" + ".".join(products))[:num_tokens]
